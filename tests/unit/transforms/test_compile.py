"""A compiled mapping: what comes out for a record, and what is said when something cannot."""

import copy

import pytest
from transform_rows import constant, row, run

from vitesse_graph.errors import MappingError
from vitesse_graph.state.mapping import MappingLogic
from vitesse_graph.transforms import FieldError, compile_mapping


def test_fields_are_copied_nested_and_flattened():
    made = run(
        {"email": "a@b.c", "address": {"city": "Bonn"}, "zip": "53111"},
        row("email", "contact.email"),
        row("address.city", "city", "mapping"),
        row("zip", "contact.place.postcode", "mapping"),
    )
    assert made.body == {"contact": {"email": "a@b.c", "place": {"postcode": "53111"}}, "city": "Bonn"}
    assert made.ok


def test_a_missing_optional_field_is_left_out_and_a_missing_required_one_is_reported():
    made = run({"name": None}, row("name", "name"), row("mail", "email", "mapping", required=True))
    assert made.body == {}
    assert made.errors == [FieldError("email", "mail", "missing", "required, but the source has no value")]


@pytest.mark.parametrize(
    ("config", "body"),
    [
        ({}, {}),
        ({"default": "none"}, {"x": "none"}),
        ({"on_null": "null"}, {"x": None}),
        ({"on_null": "skip", "default": "none"}, {}),
    ],
)
def test_a_missing_value_becomes_what_the_row_says(config, body):
    assert run({"a": None}, row("a", "x", **config)).body == body


@pytest.mark.parametrize(
    ("config", "body", "errors"),
    [
        ({}, {}, 1),
        ({"on_error": "skip"}, {}, 0),
        ({"on_error": "null"}, {"x": None}, 0),
        ({"on_error": "keep"}, {"x": "ten"}, 0),
        ({"on_error": "default", "default": 0}, {"x": 0}, 0),
    ],
)
def test_a_value_that_cannot_be_converted_becomes_what_the_row_says(config, body, errors):
    made = run({"a": "ten"}, row("a", "x", "parse", **config))
    assert (made.body, len(made.errors)) == (body, errors)


def test_an_error_names_place_type_and_reason_but_never_the_value():
    made = run({"a": "hunter2"}, row("a", "x.y", "parse"))
    assert made.errors == [FieldError("x.y", "a", "string", "not a number")]
    assert "hunter2" not in repr(made.errors)


def test_one_bad_field_does_not_cost_the_others():
    made = run({"a": "ten", "b": 1}, row("a", "x", "parse"), row("b", "y", "mapping"))
    assert made.body == {"y": 1}
    assert [e.dest_field for e in made.errors] == ["x"]


def test_an_empty_text_counts_as_missing_where_it_would_be_parsed_and_is_kept_elsewhere():
    assert run({"a": ""}, row("a", "x", "parse")).body == {}
    assert run({"a": ""}, row("a", "x", "parse")).ok
    assert run({"a": ""}, row("a", "x")).body == {"x": ""}


def test_a_record_that_is_no_object_gives_an_error_instead_of_an_exception():
    made = compile_mapping(MappingLogic(transformations=[row("a", "x")])).apply([1, 2])  # type: ignore[arg-type]
    assert made.body == {}
    assert made.errors[0].value_type == "array"


def test_the_record_is_not_changed_and_bodies_share_no_constants():
    record = {"tags": ["a"], "x": {"y": [1]}}
    before = copy.deepcopy(record)
    compiled = compile_mapping(
        MappingLogic(transformations=[row("tags", "t", "collect"), constant("c", {"list": []})])
    )
    first = compiled.apply(record).body
    first["c"]["list"].append(1)
    first["t"].append("b")
    assert compiled.apply(record).body == {"t": ["a"], "c": {"list": []}}
    assert record == before


def test_all_bad_rows_are_named_at_once():
    with pytest.raises(MappingError) as caught:
        compile_mapping(
            MappingLogic(
                transformations=[
                    row("a", "x", "custom", function="no_such"),
                    row("a", "", "direct"),
                    row("a", "y", "parse", decimals="many"),
                    row("a", "z", "parse", on_nul="skip"),
                    row("a", "fine"),
                ]
            )
        )
    message = str(caught.value)
    assert message.startswith("4 of the mapping's rows")
    assert "no_such" in message
    assert "on_nul" in message
    assert "fine" not in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("first", "second"),
    [("a.b", "a"), ("a", "a.b"), ("a[].b", "a"), ("a[].b", "a.c"), ("a", "a")],
)
def test_two_rows_cannot_fill_the_same_place(first, second):
    with pytest.raises(MappingError, match="row"):
        compile_mapping(MappingLogic(transformations=[row("x", first), row("y", second)]))


def test_names_from_a_specification_are_never_executed():
    name = '"]; import os; os.system("x") #\n\\'
    made = run({"a'b": 1}, row("a'b", "evil\"\\]; raise SystemExit('x') #"), row(r"no\.pe", "fine"))
    assert made.body == {"evil\"]; raise SystemExit('x') #": 1}
    assert name not in compile_mapping(MappingLogic(transformations=[constant("c", name)])).source


def test_a_name_with_a_dot_is_written_with_a_backslash():
    assert run({"a.b": 1}, row(r"a\.b", r"c\.d")).body == {"c.d": 1}


def test_several_fields_are_joined_or_the_first_with_a_value_is_taken():
    record = {"first": "Ada", "last": "Lovelace", "mobile": None, "phone": "1"}
    made = run(
        record,
        row(["first", "last"], "name", "custom", function="join"),
        row(["mobile", "phone"], "tel", "mapping"),
        row(["first", "last"], "both", "mapping", combine="join", separator=", "),
        row(["first", "last"], "list", "mapping", combine="list"),
    )
    assert made.body == {
        "name": "Ada Lovelace",
        "tel": "1",
        "both": "Ada, Lovelace",
        "list": ["Ada", "Lovelace"],
    }


def test_a_join_with_nothing_to_join_is_missing():
    made = run({}, row(["first", "last"], "name", "custom", required=True, function="join"))
    assert made.body == {}
    assert [e.value_type for e in made.errors] == ["missing"]


def test_steps_run_one_after_another():
    steps = [{"function": "trim"}, {"function": "upper"}, {"function": "truncate", "params": {"length": 2}}]
    assert run({"a": " eur "}, row("a", "x", "custom", steps=steps)).body == {"x": "EU"}


def test_a_missing_value_can_itself_be_the_answer():
    made = run({}, row("closed_at", "done", "custom", function="is_set"))
    assert made.body == {"done": False}


def test_compiling_twice_gives_the_same_source():
    mapping = MappingLogic(transformations=[row("a", "x"), row("b.c", "y[].z", "parse")])
    assert compile_mapping(mapping).source == compile_mapping(mapping).source
