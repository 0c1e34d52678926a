"""The photographs that a user names, and single ones in and out."""

import numpy as np
import pytest
import torch
from PIL import Image

from semwave.errors import SemwaveError
from semwave.pictures.images import read_image, to_tensor
from semwave.pictures.photos import find_photos, read_photo, write_picture


def test_a_photo_in_the_frame_comes_in_and_goes_out(tmp_path, squares):
    Image.fromarray(squares(0)).save(tmp_path / "in.png")
    photo = read_photo(tmp_path / "in.png", size=256, align=False)
    assert torch.equal(photo, to_tensor(squares(0)))
    for picture in (photo, photo[0]):
        write_picture(tmp_path / "out.png", picture)
        np.testing.assert_array_equal(read_image(tmp_path / "out.png"), squares(0))
    assert read_photo(tmp_path / "in.png", size=64, align=False).shape == (1, 3, 64, 64)
    with pytest.raises(SemwaveError, match="one picture"):
        write_picture(tmp_path / "out.png", photo.repeat(2, 1, 1, 1))


def test_a_list_names_photos_beside_it_or_in_its_images_folder(tmp_path, photo):
    (tmp_path / "images").mkdir()
    for path in (tmp_path / "images" / "a.jpg", tmp_path / "b.png"):
        path.write_bytes(b"")
    listing = tmp_path / "test.txt"
    listing.write_text("a\nb.png\n\n")
    assert [p.path for p in find_photos([listing])] == [tmp_path / "images" / "a.jpg", tmp_path / "b.png"]
    listing.write_text("a\nmissing\n")
    with pytest.raises(SemwaveError, match="'missing'"):
        find_photos([listing])
    for content in (b"", b"\xff\xfe\x00"):
        listing.write_bytes(content)
        with pytest.raises(SemwaveError, match="list"):
            find_photos([listing])


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffa\nb.png\n",
        "a\r\nb.png\r\n",
        "\ufeff# photographs of 2026\r\n\r\n  a  \r\n#b is blurred\r\nb.png",
        "a\rb.png\r",
        "\n\n\ta\nb.png\n\n",
    ],
)
def test_a_list_is_read_as_people_write_it(content, tmp_path):
    (tmp_path / "images").mkdir()
    for path in (tmp_path / "images" / "a.jpg", tmp_path / "b.png"):
        path.write_bytes(b"")
    (tmp_path / "list.txt").write_bytes(content.encode())
    found = [photo.path for photo in find_photos([tmp_path / "list.txt"])]
    assert found == [tmp_path / "images" / "a.jpg", tmp_path / "b.png"]


@pytest.mark.parametrize("name", ["a\x0cb.png", "a\x1cb.png", "a\u0085b.png", "a\u2028b.png"])
def test_a_name_ends_where_its_line_does(name, tmp_path):
    (tmp_path / name).write_bytes(b"")
    (tmp_path / "list.txt").write_text(f"{name}\n", encoding="utf-8")
    assert [photo.path.name for photo in find_photos([tmp_path / "list.txt"])] == [name]


def test_a_photo_whose_name_starts_like_a_comment_is_found(tmp_path):
    (tmp_path / "#1.png").write_bytes(b"")
    (tmp_path / "list.txt").write_text("#1.png\n# a comment\n")
    assert [photo.path.name for photo in find_photos([tmp_path / "list.txt"])] == ["#1.png"]
    (tmp_path / "list.txt").write_text("# a comment alone\n")
    with pytest.raises(SemwaveError, match="empty"):
        find_photos([tmp_path / "list.txt"])


def test_names_that_no_file_can_have_are_refused_and_long_ones_shortened(tmp_path):
    for name in ("a" * 300, "a\0b"):
        with pytest.raises(SemwaveError, match="check the name") as caught:
            find_photos([tmp_path / name])
        assert len(str(caught.value)) < 400
        (tmp_path / "list.txt").write_text(f"{name}\n")
        with pytest.raises(SemwaveError, match="neither beside the list"):
            find_photos([tmp_path / "list.txt"])
    paths = [tmp_path / ("é" * 120 + end) for end in ("1.png", "2.png")]
    for path in paths:
        path.write_bytes(b"")
    names = [photo.name for photo in find_photos(paths)]
    assert len(set(names)) == 2 and all(len(name.encode()) <= 160 for name in names)


def test_photos_of_one_name_get_names_of_their_own(tmp_path):
    paths = [tmp_path / name for name in ("x.png", "x.jpg", "x-2.png")]
    for path in paths:
        path.write_bytes(b"")
    names = [photo.name for photo in find_photos(paths)]
    assert names[0] == "x" and len(set(names)) == 3


def test_no_photo_at_all_is_an_error(tmp_path):
    with pytest.raises(SemwaveError, match="no pictures"):
        find_photos([tmp_path])
    with pytest.raises(SemwaveError, match="no such file"):
        find_photos([tmp_path / "nowhere.png"])
