"""Discovery over the catalogue: names, needs, and the two roles of an intent."""

from __future__ import annotations

import pytest

from vitesse_graph.knowledge import discover, discover_pair
from vitesse_graph.state.discovery import DiscoveryResult


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Stripe", "Stripe"),
        ("shopify", "Shopify"),
        ("SFDC", "Salesforce"),
        ("QBO", "QuickBooks Online"),
        ("Quick Books", "QuickBooks Online"),
        ("Shopfy", "Shopify"),
        ("Salesfroce", "Salesforce"),
        ("zendesk api", "Zendesk"),
    ],
)
def test_a_name_an_alias_or_a_slip_finds_the_api(said: str, meant: str) -> None:
    first = discover(said)[0]
    assert first.api_name == meant
    assert first.confidence_score >= 0.85


def test_a_name_that_nobody_knows_is_not_guessed_with_confidence() -> None:
    assert all(result.confidence_score < 0.6 for result in discover("Flurbotron"))


INTENTS = [
    ("GH issues to MSFT Teams", "GitHub", "Microsoft Teams"),
    ("I'd like to have all new Shopify orders in NetSuite as sales orders", "Shopify", "Oracle NetSuite"),
    ("Use Twilio to text customers whose FedEx parcel is delayed", "FedEx", "Twilio"),
    ("Snowflake needs all our Salesforce opportunities nightly", "Salesforce", "Snowflake"),
    ("Expensify reports need to land in NetSuite", "Expensify", "Oracle NetSuite"),
    ("invoice clients in Xero for hours tracked in Toggl", "Toggl Track", "Xero"),
    ("use Square for payments and reflect them in QuickBooks", "Square", "QuickBooks Online"),
    ("I want to see my Monzo transactions in Google Sheets", "Monzo", "Google Sheets"),
    ("accounting entries for our Shopify sales go to Exact Online", "Shopify", "Exact Online"),
    ("Let Okta know about terminations in Workday", "Workday", "Okta"),
    ("Backfill BigQuery with five years of Zendesk tickets", "Zendesk", "Google BigQuery"),
    ("sync inventory between Shopify and Amazon", "Shopify", "Amazon Selling Partner API"),
    ("Send data from SuperDuperCRM to Zoho Books", None, "Zoho Books"),
    ("sync Shopify customers into our CRM", "Shopify", None),
    ("Create a Xero contact for every Stripe customer", "Stripe", "Xero"),
    ("when a Zendesk ticket is opened make a Jira issue", "Zendesk", "Jira"),
    ("Sync Shopify customers into Credo CRM", "Shopify", None),
    ("copy all Stripe invoices to QBO", "Stripe", "QuickBooks Online"),
    ("move SFDC leads into HubSpot", "Salesforce", "HubSpot"),
    ("Update Salesforce when a deal closes in HubSpot", "HubSpot", "Salesforce"),
    ("Notify Slack about new GitHub issues", "GitHub", "Slack"),
    ("Post to Slack when a GitHub issue is opened", "GitHub", "Slack"),
    ("sync square payments to xero", "Square", "Xero"),
    ("Sync Square payments to Xero", "Square", "Xero"),
    ("Every new Stripe customer should become a Xero contact", "Stripe", "Xero"),
    ("Enrich Salesforce contacts with Stripe data", "Stripe", "Salesforce"),
    ("Keep Xero up to date with Stripe", "Stripe", "Xero"),
    ("Stripe -> Xero", "Stripe", "Xero"),
    ("Shopify to Klaviyo", "Shopify", "Klaviyo"),
    ("between Jira and Asana", "Jira", "Asana"),
    ("keep Jira and Asana in sync", "Jira", "Asana"),
    ("Import bank transactions from Plaid into Xero", "Plaid", "Xero"),
    ("Import Plaid transactions in Xero every night", "Plaid", "Xero"),
    ("Add WooCommerce customers to a Mailchimp list", "WooCommerce", "Mailchimp"),
    ("For each Xero contact, create a HubSpot company", "Xero", "HubSpot"),
    ("Shopfy customers to Hubspot", "Shopify", "HubSpot"),
    ("salesfroce accounts to quickboks", "Salesforce", "QuickBooks Online"),
    ("every Monday sync Stripe charges to Xero", "Stripe", "Xero"),
    ("Copy Asana tasks to Monday", "Asana", "monday.com"),
    ("Create Salesforce cases out of Zendesk tickets", "Zendesk", "Salesforce"),
    ("Open a GitHub issue whenever someone tags an Intercom conversation as a bug", "Intercom", "GitHub"),
    ("from Xero to Foo", "Xero", None),
    ("from Foo to Xero", None, "Xero"),
    ("log PayPal payments in Xero", "PayPal", "Xero"),
    ("I want every new Shopify order to show up in HubSpot as a deal", "Shopify", "HubSpot"),
    ("ping Slack whenever a Stripe payment fails", "Stripe", "Slack"),
    ("our HubSpot contacts should always be in Mailchimp", "HubSpot", "Mailchimp"),
    ("once an opportunity is won in Salesforce, raise an invoice in Xero", "Salesforce", "Xero"),
    ("Post daily Square sales into QuickBooks", "Square", "QuickBooks Online"),
    ("provision Okta accounts for new BambooHR employees", "BambooHR", "Okta"),
    ("save Typeform responses to an Airtable base", "Typeform", "Airtable"),
    ("mirror GitHub issues in Jira", "GitHub", "Jira"),
    ("mirror Jira issues into GitHub", "Jira", "GitHub"),
    ("Tell the support channel on Slack about urgent Zendesk tickets", "Zendesk", "Slack"),
    ("Load the rows of a Google Sheet into Salesforce leads", "Google Sheets", "Salesforce"),
    ("when someone books with Calendly, log a meeting in HubSpot", "Calendly", "HubSpot"),
    ("PayPal transactions to Quickbooks Online", "PayPal", "QuickBooks Online"),
    ("export Plaid transactions to google sheets every morning", "Plaid", "Google Sheets"),
    ("replicate all Stripe data into Snowflake", "Stripe", "Snowflake"),
    ("sync conversations from Intercom with Salesforce", "Intercom", "Salesforce"),
    ("hired candidates in Greenhouse become employees in BambooHR", "Greenhouse", "BambooHR"),
    ("Send Shopify orders to ShipStation for fulfilment", "Shopify", "ShipStation"),
    ("Push tracking numbers back from ShipStation to Shopify", "ShipStation", "Shopify"),
    ("Add Eventbrite attendees to Mailchimp", "Eventbrite", "Mailchimp"),
    ("post a Slack message for each completed Asana task", "Asana", "Slack"),
    ("Create invoices in Zoho Books from WooCommerce orders", "WooCommerce", "Zoho Books"),
    ("update Square customers with Klaviyo profiles", "Klaviyo", "Square"),
    ("Create a Stripe customer for every Xero contact", "Xero", "Stripe"),
    ("turn incoming Twilio messages into Zendesk tickets", "Twilio", "Zendesk"),
    ("move Amazon Seller Central orders to NetSuite", "Amazon Selling Partner API", "Oracle NetSuite"),
    ("summarise finished Jira issues on a Confluence page", "Jira", "Confluence"),
    ("Create Linear issues from Front conversations", "Front", "Linear"),
    ("notify Slack when a lead is won in Close", "Close", "Slack"),
    ("sync Notion tasks to Todoist", "Notion", "Todoist"),
    ("push HubSpot contacts to our data warehouse", "HubSpot", None),
    ("import invoices from our billing system into Xero", None, "Xero"),
    ("sync customers to our CRM", None, None),
    ("After a Zoom webinar, add the registrants to HubSpot", "Zoom", "HubSpot"),
    ("every Stripe refund should be recorded in our ERP", "Stripe", None),
    ("For every order in Shopify create an invoice in Xero", "Shopify", "Xero"),
    ("I'd like Xero to reflect what happens in Stripe", "Stripe", "Xero"),
    ("populate xero contacts from stripe customers", "Stripe", "Xero"),
    ("migrate from Salesforce to Dynamics 365", "Salesforce", "Microsoft Dynamics 365"),
    ("Copy Google Calendar events to a Notion database", "Google Calendar", "Notion"),
    ("Sync employees from Personio to Foobar HR", "Personio", None),
    ("New deal in Pipedrive → message in Slack", "Pipedrive", "Slack"),
    ("gitlab merge requests -> jira", "GitLab", "Jira"),
    ("stripe 2 xero", "Stripe", "Xero"),
    ("In Airtable we keep leads; create them as contacts in HubSpot", "Airtable", "HubSpot"),
    ('Open a Jira bug from a Zendesk ticket when it is tagged "bug"', "Zendesk", "Jira"),
    ("show QBO invoice status on HubSpot companies", "QuickBooks Online", "HubSpot"),
    ("append each Shopify order as a row to a Google Sheet", "Shopify", "Google Sheets"),
    ("copy files from Box to Dropbox", "Box", "Dropbox"),
    ("Klaviyo should receive all customers of Square", "Square", "Klaviyo"),
    ("Sync Shopify with Flurbo", "Shopify", None),
    ("Use Stripe subscriptions to update HubSpot contacts", "Stripe", "HubSpot"),
]


@pytest.mark.parametrize(("intent", "source", "dest"), INTENTS)
def test_roles_are_read_from_the_sentence(intent: str, source: str | None, dest: str | None) -> None:
    found = discover_pair(intent)
    assert (found.source and found.source.api_name) == source
    assert (found.dest and found.dest.api_name) == dest


def test_an_unknown_name_is_said_with_what_to_give_instead() -> None:
    found = discover_pair("from Foo to Xero")
    assert found.source is None
    assert any("'Foo'" in note and "URL or file" in note for note in found.notes)


def test_given_files_and_addresses_win_over_the_sentence() -> None:
    found = discover_pair(
        "sync Stripe customers to Xero", source="./specs/stripe.yaml", dest="https://example.com/o.json"
    )
    assert found.source is not None
    assert found.source.spec_url.endswith("/specs/stripe.yaml")
    assert found.source.spec_url.startswith("/")
    assert found.dest is not None
    assert found.dest.spec_url == "https://example.com/o.json"


def test_a_given_source_leaves_the_other_name_to_the_other_role() -> None:
    found = discover_pair("sync Stripe customers to Xero", source="file:///tmp/stripe.json")
    assert found.dest is not None
    assert found.dest.api_name == "Xero"
    assert found.source is not None
    assert found.source.spec_url == "/tmp/stripe.json"


@pytest.mark.parametrize("name", ["Strive", "Stripo", "Podia", "Plain"])
def test_another_product_of_a_similar_name_is_asked_about_and_not_taken(name: str) -> None:
    found = discover_pair(f"sync customers from {name} to Xero")
    assert found.source is None
    assert any(f"'{name}'" in note for note in found.notes)


def test_a_known_api_without_a_published_specification_is_found_and_asked_for() -> None:
    found = discover_pair("sync Shopify customers to Xero")
    assert found.source is not None
    assert found.source.spec_url == ""
    assert any("Shopify" in note and "URL or file" in note for note in found.notes)


def test_a_kind_of_system_brings_alternatives_to_choose_from() -> None:
    found = discover_pair("sync Shopify customers into our CRM")
    assert {"Salesforce", "HubSpot"} & {
        result.api_name for result in found.alternatives
    } or found.alternatives
    assert any("'CRM'" in note for note in found.notes)


def test_what_was_read_before_is_known_by_its_name() -> None:
    before = DiscoveryResult(
        api_name="Credo CRM", spec_url="/specs/credo.json", confidence_score=0.95, source="ingested"
    )
    found = discover_pair("sync Shopify customers into Credo CRM", known=[before])
    assert found.dest == before
    assert discover("credo crm", known=[before])[0] == before


def test_an_empty_or_endless_text_is_no_fault() -> None:
    assert discover("") == []
    assert discover_pair("").source is None
    assert discover_pair("from to into " * 1_000).dest is None
