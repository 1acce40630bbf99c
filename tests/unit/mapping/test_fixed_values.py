"""Fixed values: only where one value is sensible, and asked about where it was only guessed."""

from mapping_helpers import arr, obj, string

from vitesse_graph.mapping import map_fields


def fixed(mapping):
    return {
        row.dest_field: row.transform_config["params"]["value"]
        for row in mapping.transformations
        if row.source_field == []
    }


def asked(mapping):
    return {q.dest_field for q in mapping.questions}


def test_a_type_says_what_stands_beside_it():
    kinds = string(enum=["OPAQUE_ID", "EMAIL_ADDRESS", "PHONE_NUMBER"])
    mapping = map_fields(
        obj(phone=""), obj(sender=obj(phone="", type=kinds)), intent="Log calls of the custom channel"
    )
    assert fixed(mapping) == {"sender.type": "PHONE_NUMBER"}
    assert "sender.type" in asked(mapping)


def test_a_phone_without_a_mark_is_of_the_usual_kind():
    phone = obj(number="", type=string(enum=["DEFAULT", "MOBILE", "FAX"]))
    mapping = map_fields(obj(name="", phone_number=""), obj(name="", phones=arr(phone)))
    assert fixed(mapping) == {"phones[].type": "DEFAULT"}


def test_a_line_with_a_price_and_no_quantity_is_for_one():
    line = obj(description="", unit_price={"type": "number"}, quantity={"type": "number"})
    mapping = map_fields(
        obj(description="", unit_price={"type": "number"}), obj(lines=arr(line)), intent="Book charges"
    )
    assert fixed(mapping) == {"lines[].quantity": 1}
    assert "lines[].quantity" in asked(mapping)


def test_a_quantity_that_has_a_source_is_left_to_it():
    line = obj(unit_price={"type": "number"}, quantity={"type": "number"})
    mapping = map_fields(obj(items=arr(line)), obj(lines=arr(line)), intent="Book orders")
    assert fixed(mapping) == {}
    assert {row.dest_field for row in mapping.transformations} == {"lines[].quantity", "lines[].unit_price"}


def test_the_intent_names_one_value_in_full():
    kinds = string(enum=["RECEIVE", "RECEIVE-PREPAYMENT", "SPEND", "SPEND-PREPAYMENT"])
    dest = obj(type=kinds, total={"type": "number"}) | {"required": ["type"]}
    said = map_fields(obj(total={"type": "number"}), dest, intent="Record charges as received money")
    assert fixed(said) == {"type": "RECEIVE"}
    assert "type" in asked(said)
    silent = map_fields(obj(total={"type": "number"}), dest, intent="Copy charges")
    assert fixed(silent) == {}
    assert "type" in asked(silent)


def test_the_only_value_that_a_description_allows_is_sent():
    catalog = string(default="$default", description='The catalog. Currently only "$default" is supported.')
    mapping = map_fields(obj(name=""), obj(name="", catalog_type=catalog))
    assert fixed(mapping) == {"catalog_type": "$default"}
    assert asked(mapping) == set()


def test_a_word_of_two_letters_names_no_language():
    languages = string(enum=["as", "de", "en"])
    dest = obj(language=languages, name="") | {"required": ["language"]}
    mapping = map_fields(obj(name=""), dest, intent="Publish releases as posts")
    assert fixed(mapping) == {}


def test_objects_that_only_hold_a_value_are_looked_through():
    def held(**more):
        return obj(value=string(**more))

    address = obj(city=held(), postalCode=held(), countryId=held())
    dest = obj(name=held(), vatRegistrationId=held(), mainAddress=obj(value=address))
    source = obj(name="", vat_number="", address=obj(city="", postal_code="", country=""))
    mapping = map_fields(source, dest, intent="Create customers")
    assert {row.dest_field: row.source_field for row in mapping.transformations} == {
        "name.value": "name",
        "vatRegistrationId.value": "vat_number",
        "mainAddress.value.city.value": "address.city",
        "mainAddress.value.postalCode.value": "address.postal_code",
        "mainAddress.value.countryId.value": "address.country",
    }
