import numpy as np
import pytest

from agejax.data.attributes import read_attributes
from agejax.errors import UserError

PATHS = np.array(["a.jpg", "b.jpg", "c.jpg"])


def table(tmp_path, text):
    file = tmp_path / "attributes.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_columns_are_put_in_the_order_of_the_faces(tmp_path):
    file = table(tmp_path, 'race,path,light\nx,c.jpg,"dim, red"\ny,a.jpg,\nz,other.jpg,day\n')
    columns = read_attributes(file, PATHS)
    assert columns["race"].tolist() == ["y", "unknown", "x"]
    assert columns["light"].tolist() == ["unknown", "unknown", "dim, red"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path\na.jpg\n", "its columns must be"),
        ("name,race\na.jpg,x\n", "its columns must be"),
        ("", "its columns must be"),
        ("path,race\nd.jpg,x\n", "none of the 3 faces is in it, such as a.jpg"),
        ("path,race\na.jpg\n", "row 2: not 2 cells"),
        (b"path,race\na.jpg,\xff\n", "not a CSV table in UTF-8"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, text, said):
    with pytest.raises(UserError, match=said) as error:
        read_attributes(table(tmp_path, text), PATHS)
    assert "\n" not in str(error.value)


def test_a_missing_table_is_told(tmp_path):
    with pytest.raises(UserError, match="no such table"):
        read_attributes(tmp_path / "none.csv", PATHS)
