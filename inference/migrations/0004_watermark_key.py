from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inference", "0003_embeddings_tier"),
    ]

    operations = [
        migrations.AddField(
            model_name="model",
            name="watermark_key",
            # The database keeps the default, so that the version before this one still writes its rows.
            field=models.CharField(
                blank=True, db_default="", default="", max_length=40, verbose_name="id of the watermark’s key"
            ),
        ),
    ]
