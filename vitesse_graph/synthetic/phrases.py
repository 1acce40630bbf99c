"""What people write into business records: short values, notes, titles, products, labels."""

from __future__ import annotations

import random

_SENTENCES = (
    "Please call before delivery.", "The customer asked for an invoice by email.", "Prefers to be contacted in the morning.",
    "Follow up after the trial ends.", "Payment was received in full.", "The order was split into two parcels.",
    "Met at the spring conference.", "The price was agreed by phone.", "Waiting for a signed copy of the contract.",
    "Leave the parcel with the neighbour if nobody is in.", "Asked about a discount for larger quantities.",
    "The old address is no longer valid.", "Replaces the request of last week.", "The item arrived with a scratched lid.",
    "Has been a customer since 2019.", "Needs the documents in German.", "The team reviews this every quarter.",
    "Imported from the previous system.", "The appointment was moved by two days.", "Refunded because of a late delivery.",
    "Can be reached at the office until five.", "Wants to upgrade to the yearly plan.", "The budget is not approved yet.",
    "Checked and confirmed by the warehouse.", "The login page shows an error on older phones.",
    "Gift wrapping was requested.", "The second reminder was sent today.", "Please use the entrance on the east side.",
    "Only the blue ones were in stock.", "The report covers the first half of the year.", "Two of the seats are not used.",
    "Renewal is due at the end of the month.", "Asked to be removed from the newsletter.", "The sample was well received.",
    "Needs an accessible entrance.", "The figures include shipping and tax.", "Travel costs are billed separately.",
    "Introduced by a partner.", "The certificate expires next year.", "Works from the branch in the city centre.",
)  # fmt: skip
_VERBS = (
    "Update",
    "Review",
    "Prepare",
    "Plan",
    "Check",
    "Migrate",
    "Renew",
    "Test",
    "Publish",
    "Document",
    "Fix",
    "Order",
)
_THINGS = (
    "the price list", "the onboarding guide", "customer records", "the spring campaign", "the booking form",
    "delivery times", "the yearly report", "payment reminders", "the supplier contract", "stock levels",
    "the welcome email", "opening hours", "the mobile layout", "access rights", "the training schedule", "open invoices",
)  # fmt: skip
_KINDS = (
    "Classic",
    "Compact",
    "Organic",
    "Premium",
    "Foldable",
    "Everyday",
    "Handmade",
    "Outdoor",
    "Slim",
    "Insulated",
)
_MATERIALS = ("Cotton", "Steel", "Oak", "Leather", "Ceramic", "Linen", "Glass", "Bamboo", "Wool", "Copper")
_GOODS = (
    "Mug",
    "Chair",
    "Lamp",
    "Backpack",
    "Notebook",
    "Kettle",
    "Blanket",
    "Shirt",
    "Bottle",
    "Desk",
    "Jacket",
    "Bowl",
)
_LABELS = (
    "VIP", "Newsletter", "Wholesale", "Priority", "Returning", "Trial", "Partner", "Follow-up", "Summer", "Archive",
    "Support", "Marketing", "Beta", "Local", "Seasonal", "Key account", "Accessories", "Outlet", "Events", "Renewal",
    "Onboarding", "Clearance", "Research", "Internal",
)  # fmt: skip
_WORDS = (
    "standard", "express", "online", "retail", "manual", "web", "mobile", "partner", "spring", "blue", "large", "weekly",
    "basic", "regular", "north", "primary", "external", "monthly", "shared", "main", "summer", "direct", "classic",
    "national", "green", "single", "daily", "local", "advanced", "central", "medium", "referral", "office", "annual",
    "silver", "import", "campaign", "community", "small", "evening", "general", "extended", "west", "seasonal", "private",
    "preview", "flexible", "trade",
)  # fmt: skip
_PETS = ("Bella", "Max", "Luna", "Charlie", "Milo", "Rocky", "Nala", "Oscar", "Coco", "Simba", "Daisy", "Leo")


def sentence(rng: random.Random) -> str:
    """One remark as people leave it."""
    return rng.choice(_SENTENCES)


def paragraph(rng: random.Random) -> str:
    """Two or three remarks."""
    return " ".join(rng.sample(_SENTENCES, rng.choice((2, 2, 3))))


def title(rng: random.Random) -> str:
    """What a task, a ticket or an event is called."""
    return f"{rng.choice(_VERBS)} {rng.choice(_THINGS)}"


def product(rng: random.Random) -> str:
    """What a shop sells."""
    return f"{rng.choice(_KINDS)} {rng.choice(_MATERIALS)} {rng.choice(_GOODS)}"


def label(rng: random.Random) -> str:
    """A tag, a category, a segment."""
    return rng.choice(_LABELS)


def word(rng: random.Random) -> str:
    """One value of some attribute."""
    return rng.choice(_WORDS)


def pet(rng: random.Random) -> str:
    """What somebody calls an animal."""
    return rng.choice(_PETS)
