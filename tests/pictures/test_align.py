import importlib.util
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from skimage import data, metrics, transform

from semwave.errors import SemwaveError
from semwave.pictures import align as alignment
from semwave.pictures import detectors
from semwave.pictures.align import Frame, align, choose_face, crop, find_frame, frame_of, in_frame

SIZE = 256
ASTRONAUT = data.astronaut()
ALIGNED = align(ASTRONAUT, SIZE)
FACE = np.array([225, 115])
WHOLE = find_frame(ASTRONAUT)


def psnr(image, reference=ALIGNED):
    return metrics.peak_signal_noise_ratio(reference, image, data_range=255)


def distance(frame, other):
    """Of the corners, at most, in sides of ``other``."""
    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], float)
    return np.hypot(*(frame.to_photo(corners) - other.to_photo(corners)).T).max() / other.side


def test_the_aligned_face_is_in_the_frame_of_celeba_hq():
    assert ALIGNED.shape == (SIZE, SIZE, 3)
    assert ALIGNED.dtype == np.uint8
    assert np.linalg.norm(WHOLE.centre - FACE) < 0.1 * WHOLE.side
    # Mean eyes and mouth of CelebA-HQ: in the middle, at 0.483 and 0.735 of the height.
    landmarks = alignment._landmarks(ALIGNED, alignment.dlib_module().rectangle(49, 79, 202, 233)) / SIZE
    eyes = (landmarks[36:42].mean(0) + landmarks[42:48].mean(0)) / 2
    assert eyes == pytest.approx([0.5, 0.483], abs=0.02)
    assert landmarks[[48, 54]].mean(0) == pytest.approx([0.5, 0.735], abs=0.04)


def test_aligning_twice_changes_little():
    again = find_frame(align(ASTRONAUT, 512))
    assert distance(again, Frame(np.array([256.0, 256.0]), np.array([256.0, 0.0]))) < 0.03


@pytest.mark.parametrize("scale", [0.4, 0.75, 2.0, 4.0])
def test_size_of_the_photo_does_not_matter(scale):
    size = round(512 * scale)
    photo = np.array(Image.fromarray(ASTRONAUT).resize((size, size), Image.Resampling.LANCZOS))
    frame = find_frame(photo)
    assert distance(Frame(frame.centre / scale, frame.half / scale), WHOLE) < 0.03


@pytest.mark.parametrize("degrees", [-30, -20, -10, -5, 10, 20, 30])
def test_a_tilted_head_is_set_upright(degrees):
    photo = transform.rotate(ASTRONAUT, degrees, center=FACE, mode="edge", preserve_range=True)
    assert psnr(align(photo.astype(np.uint8), SIZE)) > 26


def test_padding_does_not_matter():
    padded = np.pad(ASTRONAUT, [(150, 30), (80, 260), (0, 0)])
    frame = find_frame(padded)
    assert distance(Frame(frame.centre - [80, 150], frame.half), WHOLE) < 0.03


def test_the_largest_face_wins():
    half = np.array(Image.fromarray(ASTRONAUT).resize((256, 256), Image.Resampling.LANCZOS))
    photo = np.full((600, 900, 3), 200, np.uint8)
    photo[:256, :256] = half
    photo[88:, 388:] = ASTRONAUT
    assert np.linalg.norm(find_frame(photo).centre - FACE - [388, 88]) < 20


def test_a_small_face_in_a_large_photo_is_found():
    photo = np.full((1800, 2400, 3), 120, np.uint8)
    photo[900:1156, 1500:1756] = ASTRONAUT[:256, 100:356]
    assert np.linalg.norm(find_frame(photo).centre - FACE - [1400, 900]) < 20


def test_a_face_at_the_edge_is_mirrored_smoothly():
    cut = align(ASTRONAUT[:, 160:], SIZE)
    assert psnr(cut[:, 64:], ALIGNED[:, 64:]) > 22
    assert cut.std() > 30


@pytest.mark.parametrize("name", ["coffee", "brick"])
def test_no_face_is_one_clear_error(name):
    photo = np.atleast_3d(getattr(data, name)())
    photo = np.broadcast_to(photo, (*photo.shape[:2], 3))
    with pytest.raises(SemwaveError, match=r"no face found.*--no-align") as raised:
        align(photo, SIZE)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (300, 2), (64, 64)])
def test_tiny_and_thin_pictures_have_no_face(shape):
    with pytest.raises(SemwaveError, match="no face found"):
        align(np.full((*shape, 3), 90, np.uint8), SIZE)


def test_a_face_that_only_the_cnn_sees(monkeypatch):
    monkeypatch.setattr(alignment, "find_upright", lambda _: None)
    assert distance(find_frame(ASTRONAUT), WHOLE) < 0.03


def test_missing_packages_say_how_to_get_them(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(SemwaveError, match="pip install face_recognition_models"):
        detectors.dlib_weights("shape_predictor_68_face_landmarks.dat")
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(SemwaveError, match="pip install dlib-bin"):
        align(ASTRONAUT, SIZE)


def test_the_whole_photo_as_frame_is_the_photo():
    whole = Frame(np.array([256.0, 256.0]), np.array([256.0, 0.0]))
    assert np.array_equal(crop(ASTRONAUT, whole, 512), ASTRONAUT)


def test_shrinking_does_not_alias():
    lines = np.zeros((512, 512, 3), np.uint8)
    lines[:, ::2] = 255
    drawn = crop(lines, Frame(np.array([256.0, 256.0]), np.array([250.0, 0.0])), 100)
    assert np.abs(drawn.astype(int) - 128).max() < 6


@settings(max_examples=40, deadline=None)
@given(
    x=st.floats(-300, 800),
    y=st.floats(-300, 800),
    length=st.floats(3, 900),
    angle=st.floats(-3.2, 3.2),
    size=st.sampled_from([16, 64]),
)
def test_any_frame_can_be_drawn(x, y, length, angle, size):
    frame = Frame(np.array([x, y]), length * np.array([np.cos(angle), np.sin(angle)]))
    drawn = crop(ASTRONAUT[:200, :300], frame, size)
    assert drawn.shape == (size, size, 3)
    assert drawn.dtype == np.uint8


@settings(max_examples=50, deadline=None)
@given(
    shift=st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
    scale=st.floats(0.1, 10),
    angle=st.floats(-3.1, 3.1),
)
def test_the_frame_follows_the_landmarks(shift, scale, angle):
    landmarks = np.random.default_rng(0).uniform(0, 1, (68, 2))
    landmarks[36:42], landmarks[42:48], landmarks[[48, 54]] = [100, 100], [160, 102], [[110, 170], [150, 171]]
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    frame, moved = frame_of(landmarks), frame_of(landmarks @ turn.T + shift)
    assert moved.centre == pytest.approx(turn @ frame.centre + shift, abs=1e-6)
    assert moved.half == pytest.approx(turn @ frame.half, abs=1e-6)


def test_in_frame_only_resizes():
    square = ASTRONAUT[:400, :404]
    assert in_frame(square, SIZE).shape == (SIZE, SIZE, 3)
    assert np.array_equal(in_frame(ASTRONAUT, 512), ASTRONAUT)
    with pytest.raises(SemwaveError, match="not a square face crop"):
        in_frame(ASTRONAUT[:300], SIZE)


def turned(image, frame, degrees):
    """``image`` turned about its middle, nothing cut off, and where ``frame`` lies in it."""
    photo = np.array(
        Image.fromarray(image).rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=(128,) * 3)
    )
    sine, cosine = np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))
    turn = np.array([[cosine, sine], [-sine, cosine]])
    middle, before = np.array(photo.shape[1::-1]) / 2, np.array(image.shape[1::-1]) / 2
    return photo, Frame(turn @ (frame.centre - before) + middle, turn @ frame.half)


@pytest.mark.parametrize("degrees", [45, 90, 180, 255])
def test_a_photo_turned_by_any_angle_gives_the_same_frame(degrees):
    photo, expected = turned(ASTRONAUT, WHOLE, degrees)
    assert distance(find_frame(photo), expected) < 0.02


def covered(kind):
    """The astronaut behind a medical mask or a bar over the eyes, in a grey photo."""
    picture = Image.fromarray(crop(ASTRONAUT, WHOLE, 512))
    draw = ImageDraw.Draw(picture)
    if kind == "mask":
        draw.polygon([(130, 300), (256, 270), (382, 300), (370, 420), (256, 480), (142, 420)], fill=(120, 170, 200))
    else:
        draw.rectangle((100, 215, 411, 274), fill=0)
    photo = np.full((900, 900, 3), 150, np.uint8)
    photo[194:706, 194:706] = np.array(picture)
    return photo


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("kind", ["mask", "bar"])
def test_a_covered_face_is_found_by_a_second_look_on_its_side_too(kind, quarters):
    half = [np.array(half) for half in ((256.0, 0.0), (0.0, -256.0), (-256.0, 0.0), (0.0, 256.0))]
    frame = find_frame(np.ascontiguousarray(np.rot90(covered(kind), quarters)))
    assert distance(frame, Frame(np.array([450.0, 450.0]), half[quarters])) < 0.1


def test_a_face_of_120_pixels_in_a_photo_of_6000_is_found():
    photo = np.full((4000, 6000, 3), 128, np.uint8)
    small = np.array(Image.fromarray(ASTRONAUT).resize([round(512 * 120 / WHOLE.side)] * 2, Image.Resampling.LANCZOS))
    photo[1500 : 1500 + len(small), 2500 : 2500 + len(small)] = small
    scale = 120 / WHOLE.side
    assert distance(find_frame(photo), Frame(WHOLE.centre * scale + [2500, 1500], WHOLE.half * scale)) < 0.03


def test_of_several_faces_the_one_asked_for_is_taken_and_the_largest_with_a_note():
    half = np.array(Image.fromarray(ASTRONAUT).resize((400, 400), Image.Resampling.LANCZOS))
    photo = np.full((600, 1000, 3), 200, np.uint8)
    photo[:400, :400], photo[88:, 488:] = half, ASTRONAUT
    largest = choose_face(photo)
    assert np.linalg.norm(largest.frame.centre - FACE - [488, 88]) < 20
    assert "2 faces found, the largest was taken" in largest.note and "--face 2" in largest.note
    second = choose_face(photo, 2)
    assert second.note == "" and np.linalg.norm(second.frame.centre - FACE * 400 / 512) < 20
    with pytest.raises(SemwaveError, match="there is no face 5; 2 found, --face takes 1 to 2"):
        choose_face(photo, 5)
    assert choose_face(ASTRONAUT).note == ""


def test_most_of_what_only_resembles_a_face_is_refused(monkeypatch):
    # Whatever a detector claims: where landmarks move about there is no face.
    refused, boxes = 0, [(x, y) for x in (0, 130, 260) for y in (0, 130, 260)]
    photo = np.ascontiguousarray(data.coffee()[:400, 100:500])
    for x, y in boxes:
        box = type("Found", (), {"rect": alignment.dlib_module().rectangle(x, y, x + 139, y + 139)})
        monkeypatch.setattr(alignment, "cnn_detector", lambda box=box: lambda *_: [box])
        refused += not alignment._find_by_cnn(photo)
    assert refused > len(boxes) / 2
