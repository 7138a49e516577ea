"""Plans and prices to begin with: examples, which an operator changes in the admin before anybody pays."""

import datetime

from django.db import migrations

USD = 1_000_000
PLANS = [
    {
        "slug": "free",
        "name": "Free",
        "summary": {
            "en": "To try it out: the small model and embeddings, within a small budget.",
            "fr": "Pour essayer : le petit modèle et les vecteurs, dans un petit budget.",
        },
        "rank": 1,
        "month_cents": 0,
        "included_microusd": 1 * USD,
        "metered": False,
        "month_limit_microusd": 1 * USD,
        "day_gpu_s": 300,
        "month_gpu_s": 1_800,
        "requests_per_minute": 20,
        "tokens_per_minute": 20_000,
        "parallel_calls": 2,
        "priority": "signed_in",
    },
    {
        "slug": "build",
        "name": "Build",
        "summary": {
            "en": "For a product with users: before everybody who does not pay, billed by use beyond what is included.",
            "fr": "Pour un produit qui a ses utilisateurs : avant tous ceux qui ne paient pas, facturé à l’usage au-delà de ce qui est compris.",
        },
        "rank": 2,
        "month_cents": 900,
        "included_microusd": 9 * USD,
        "metered": True,
        "month_limit_microusd": 50 * USD,
        "day_gpu_s": 1_800,
        "month_gpu_s": 18_000,
        "requests_per_minute": 120,
        "tokens_per_minute": 200_000,
        "parallel_calls": 8,
        "priority": "paying",
    },
    {
        "slug": "scale",
        "name": "Scale",
        "summary": {
            "en": "For steady load: more at a time, more in a minute, a higher cap.",
            "fr": "Pour une charge soutenue : plus d’appels à la fois, plus par minute, un plafond plus haut.",
        },
        "rank": 3,
        "month_cents": 4_900,
        "included_microusd": 55 * USD,
        "metered": True,
        "month_limit_microusd": 500 * USD,
        "day_gpu_s": 7_200,
        "month_gpu_s": 51_840,
        "requests_per_minute": 600,
        "tokens_per_minute": 1_000_000,
        "parallel_calls": 32,
        "priority": "paying",
    },
]
# A million tokens, in millionths of a dollar: read, written.
PRICES = {
    "wagmi-small": (100_000, 400_000),
    "wagmi-large": (500_000, 1_500_000),
    "wagmi-slow": (100_000, 400_000),
    "wagmi-embed": (20_000, 0),
}
BEGINNING = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def add(apps, schema_editor):
    for plan in PLANS:
        apps.get_model("billing", "Plan").objects.get_or_create(slug=plan["slug"], defaults=plan)
    for model, (read, written) in PRICES.items():
        apps.get_model("billing", "ModelPrice").objects.get_or_create(
            model=model, valid_from=BEGINNING, defaults={"input_microusd": read, "output_microusd": written}
        )


class Migration(migrations.Migration):
    dependencies = [("billing", "0002_ledger_functions")]

    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
