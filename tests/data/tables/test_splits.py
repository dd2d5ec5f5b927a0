import numpy as np

from agejax.data.tables.splits import assign

N = 4000


def faces(seed=0):
    """str [N] persons, of whom some are unknown, and images, of which some are the same."""
    rng = np.random.default_rng(seed)
    person = np.array([f"p{i}" if i < 800 else "" for i in rng.integers(0, 1000, N)])
    return person, np.array([f"sha{i}" for i in rng.integers(0, 3 * N, N)])


def none(n=N):
    return np.full(n, "")


def test_nobody_and_no_image_stands_in_two_splits():
    person, image = faces()
    splits = assign(none(), person, image)
    for of in (person[person != ""], image):
        where = splits[person != ""] if len(of) < N else splits
        for key in np.unique(of):
            assert len(set(where[of == key])) == 1


def test_shares_are_80_10_10_and_the_order_of_rows_does_not_matter():
    images = np.array([f"sha{i}" for i in range(N)])
    splits = assign(none(), none(), images)
    for name, share in (("train", 0.8), ("validation", 0.1), ("test", 0.1)):
        assert abs((splits == name).mean() - share) < 0.02
    person, image = faces()
    order = np.random.default_rng(1).permutation(N)
    mixed = assign(none(), person[order], image[order])
    np.testing.assert_array_equal(mixed, assign(none(), person, image)[order])


def test_more_faces_move_nobody():
    images = np.array([f"sha{i}" for i in range(N)])
    people = np.array([f"p{i // 3}" for i in range(N)])
    few = assign(none(N // 2), people[: N // 2], images[: N // 2])
    np.testing.assert_array_equal(few, assign(none(), people, images)[: N // 2])


def test_a_given_split_is_kept_and_draws_its_people_along():
    given = np.array(["test", "", "", "train", "validation"])
    person = np.array(["a", "a", "", "b", "b"])
    image = np.array(["1", "2", "2", "3", "4"])
    assert assign(given, person, image).tolist() == ["test", "test", "test", "train", "validation"]


def test_validation_is_taken_from_train_where_there_is_none():
    given = np.array(["train"] * N + ["test"] * 10)
    images = np.array([f"sha{i}" for i in range(N + 10)])
    splits = assign(given, none(N + 10), images)
    assert set(splits[N:]) == {"test"}
    assert abs((splits[:N] == "validation").mean() - 0.1) < 0.02
    assert (splits[:N] != "test").all()
