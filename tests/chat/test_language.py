"""Short texts are told apart or left to the page's language, never guessed wrong."""

import pytest

from chat.language import language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How long do you keep my chats?", "en"),
        ("What is a receipt?", "en"),
        ("Can I use it without JavaScript?", "en"),
        ("is it free", "en"),
        ("Does the café have Wi-Fi?", "en"),
        ("Combien de temps gardez-vous mes conversations ?", "fr"),
        ("Qu'est-ce qu'un reçu ?", "fr"),
        ("c'est gratuit", "fr"),
        ("Puis-je parler à un humain ?", "fr"),
        ("ou sont les donnees", "fr"),
        ("Où êtes-vous ?", "fr"),
        ("Une réponse coûte combien ?", "fr"),
    ],
)
@pytest.mark.parametrize("default", ["en", "fr"])
def test_a_question_with_small_words_is_recognised_whatever_the_page(text: str, language: str, default: str) -> None:
    assert language_of(text, default) == language


@pytest.mark.parametrize("text", ["", "Redis", "PostgreSQL 18", "12 × 7", "Wagmi?", "…", "日本語で"])
@pytest.mark.parametrize("default", ["en", "fr"])
def test_an_unsure_text_has_the_language_of_the_page(text: str, default: str) -> None:
    assert language_of(text, default) == default
