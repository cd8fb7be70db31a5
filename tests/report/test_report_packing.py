"""Arrays come out of a page as they went in, and texts cannot leave the place where they stand."""

import base64
import json

import numpy as np
import pytest

from jaxvf.report.packing import packed, packed_curves, script_json


def unpacked(stored):
    data = base64.b64decode(stored["data"])
    return np.frombuffer(data, np.dtype(stored["type"]).newbyteorder("<")).reshape(stored["shape"])


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0, 255], "uint8"),
        ([0, 256], "uint16"),
        ([-1, 3], "int32"),
        ([70000], "uint32"),
        ([0.5, np.nan, np.inf], "float32"),
    ],
)
def test_arrays_are_stored_exactly_in_the_narrowest_type(values, kind):
    stored = packed(np.asarray(values))
    assert stored["type"] == kind
    np.testing.assert_array_equal(unpacked(stored), values)


def test_many_curves_are_rounded_by_less_than_one_part_in_two_thousand():
    values = np.random.default_rng(0).normal(0, 50, (2000, 50))
    values[3, 7] = np.nan
    stored = packed_curves(values)
    assert stored["type"] == "float16" and len(stored["data"]) < 270_000
    np.testing.assert_allclose(unpacked(stored), values, rtol=1 / 2000, atol=1e-6)


def test_curves_beyond_float16_and_few_curves_keep_32_bits():
    assert packed_curves(np.full((2000, 50), 1e6))["type"] == "float32"
    assert packed_curves(np.ones((2, 5)))["type"] == "float32"


def test_json_in_a_script_element_holds_no_markup_and_is_still_the_same_json():
    value = {"</script><script>": ["<!--", "&amp;", "\u2028", "'\""]}
    text = script_json(value)
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == value
