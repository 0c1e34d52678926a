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
