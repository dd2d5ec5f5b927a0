import subprocess
import sys


def test_two_builds_at_once_both_end_well(archives, tmp_path):
    command = [sys.executable, "-m", "tfds_imdb_wiki", "build", "--manual_dir", str(archives)]
    command += ["--data_dir", str(tmp_path)]
    pipe = subprocess.PIPE
    both = [subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) for _ in range(2)]
    for process in both:
        out, err = process.communicate()
        assert process.returncode == 0, err
        assert out.splitlines()[-1] == str(tmp_path / "imdb_wiki" / "imdb" / "2.0.0")
    assert [folder.name for folder in (tmp_path / "imdb_wiki" / "imdb").iterdir()] == ["2.0.0"]
