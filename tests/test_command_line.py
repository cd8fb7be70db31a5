"""The command line that began a sweep, as a shell reads it."""

from jaxvf import command_line


def test_inside_a_command_its_line_is_known_and_outside_it_is_python():
    assert command_line.present() == "from Python"
    with command_line.of("jaxvf", ["run", "--set", "note=a b"]):
        assert command_line.present() == "jaxvf run --set 'note=a b'"
    assert command_line.present() == "from Python"
