"""Arrays on both sides: what is aligned with what."""

from transform_rows import constant, row, run


def test_lines_become_line_items_inside_an_envelope_of_one():
    record = {
        "id": 7,
        "currency": "EUR",
        "lines": [{"amount": 100, "n": 1}, {"amount": 250, "n": 2}],
    }
    made = run(
        record,
        row("id", "Invoices[].Reference"),
        constant("Invoices[].Type", "ACCREC"),
        row("lines[].amount", "Invoices[].LineItems[].UnitAmount", "custom", function="minor_to_major"),
        row("lines[].n", "Invoices[].LineItems[].Quantity"),
        row("currency", "Invoices[].LineItems[].Currency"),
    )
    assert made.body == {
        "Invoices": [
            {
                "Type": "ACCREC",
                "Reference": 7,
                "LineItems": [
                    {"UnitAmount": 1, "Quantity": 1, "Currency": "EUR"},
                    {"UnitAmount": 2.5, "Quantity": 2, "Currency": "EUR"},
                ],
            }
        ]
    }


def test_a_deeper_source_array_is_summed_for_each_element():
    record = {"lines": [{"n": 1, "taxes": [{"a": 5}, {"a": 6}]}, {"n": 2, "taxes": []}]}
    made = run(
        record,
        row("lines[].n", "items[].n"),
        row("lines[].taxes[].a", "items[].tax", reduce="sum"),
    )
    assert made.body == {"items": [{"n": 1, "tax": 11}, {"n": 2}]}


def test_nested_arrays_follow_nested_arrays():
    record = {"people": [{"n": "a", "mails": [{"v": 1}, {"v": 2}]}, {"n": "b", "mails": [{"v": 3}]}]}
    made = run(
        record,
        row("people[].n", "contacts[].name"),
        row("people[].mails[].v", "contacts[].emails[].value"),
    )
    assert made.body == {
        "contacts": [
            {"name": "a", "emails": [{"value": 1}, {"value": 2}]},
            {"name": "b", "emails": [{"value": 3}]},
        ]
    }


def test_one_of_an_array_goes_into_a_scalar():
    record = {"emails": [{"v": None}, {"v": "b", "primary": False}, {"v": "c", "primary": True}]}
    assert run(record, row("emails[].v", "email", "mapping")).body == {"email": "b"}
    assert run(record, row("emails[].v", "email", prefer={"primary": True})).body == {"email": "c"}
    assert run(record, row("emails[].v", "email", reduce="last")).body == {"email": "c"}
    assert run(record, row("emails[].v", "email", reduce="join", separator=";")).body == {"email": "b;c"}
    assert run(record, row("emails[].v", "count", reduce="count")).body == {"count": 2}


def test_only_elements_that_meet_the_condition_count():
    record = {"ids": [{"t": "us", "v": 1}, {"t": "eu", "v": 2}]}
    assert run(record, row("ids[].v", "vat", where={"t": "eu"})).body == {"vat": 2}
    assert run(record, row("ids[].v", "vat", where={"t": ["fr", "us"]})).body == {"vat": 1}
    assert run(record, row("ids[].v", "vat", where={"t": "xx"})).body == {}


def test_parts_of_one_element_stay_together():
    record = {"phones": [{"cc": "49", "no": None}, {"cc": None, "no": None}, {"cc": "1", "no": "555"}]}
    made = run(
        record,
        row(["phones[].cc", "phones[].no"], "phone", "custom", function="join", params={"separator": "-"}),
    )
    assert made.body == {"phone": "49"}


def test_lists_are_collected_wrapped_and_joined():
    record = {"tags": ["a", None, "b", "a"], "labels": [{"n": "x"}, {"n": "y"}], "one": "z"}
    made = run(
        record,
        row("tags", "t", "collect"),
        row("tags", "u", "collect", unique=True),
        row("labels[].n", "l", "collect"),
        row("one", "w", "collect"),
        row("tags[]", "s[]"),
        row("tags", "j", "collect", separator=","),
        row("labels[].n", "up", "collect", item={"function": "upper"}),
    )
    assert made.body == {
        "t": ["a", "b", "a"],
        "u": ["a", "b"],
        "l": ["x", "y"],
        "w": ["z"],
        "s": ["a", "b", "a"],
        "j": "a,b,a",
        "up": ["X", "Y"],
    }


def test_a_constant_alone_makes_no_element_and_no_object():
    rows = (
        row("street", "addresses[].line1", "mapping"),
        constant("addresses[].type", "home"),
        row("street", "place.street"),
        constant("place.kind", "home"),
    )
    assert run({}, *rows).body == {}
    assert run({"street": "S"}, *rows).body == {
        "addresses": [{"line1": "S", "type": "home"}],
        "place": {"street": "S", "kind": "home"},
    }


def test_a_required_constant_makes_its_object():
    assert run({}, constant("data.type", "profile", required=True)).body == {"data": {"type": "profile"}}


def test_a_default_does_not_make_an_element_either():
    rows = (row("a", "list[].a"), row("b", "list[].b", default="x"))
    assert run({}, *rows).body == {}
    assert run({"a": 1}, *rows).body == {"list": [{"a": 1, "b": "x"}]}


def test_a_single_object_where_a_list_is_expected_counts_as_one_element():
    assert run({"lines": {"a": 1}}, row("lines[].a", "items[].a")).body == {"items": [{"a": 1}]}


def test_elements_that_are_no_objects_and_nulls_do_no_harm():
    record = {"lines": [None, "text", {"a": 1}, 5, []]}
    assert run(record, row("lines[].a", "items[].a")).body == {"items": [{"a": 1}]}


def test_gaps_in_elements_that_do_not_come_to_be_are_not_reported():
    rows = (row("lines[].a", "items[].a"), row("lines[].b", "items[].b", required=True))
    made = run({"lines": [{}, {"a": 1}]}, *rows)
    assert made.body == {"items": [{"a": 1}]}
    assert len(made.errors) == 1


def test_the_elements_themselves_can_be_values():
    assert run({"images": ["u", "v"]}, row("images[]", "photos[].url")).body == {
        "photos": [{"url": "u"}, {"url": "v"}]
    }
