"""Rude words are found in disguise; polite questions with unlucky letters pass."""

import pytest

from chat.profanity import is_profane
from content.passages import approved_pairs, passages

RUDE = {
    "en": [
        "fuck you", "f*ck this", "sh1t", "you asshole", "f.u.c.k", "fück", "f u c k", "b1tch", "motherfucker",
        "you are a piece of shit", "putain de merde", "$hit", "fuuuuck", "faggot", "wh0re", "stfu", "FUCKING thing",
    ],
    "fr": [
        "connard", "putain", "va te faire enculer", "salope", "enculé", "encule", "fils de pute", "nique ta mère",
        "merde", "c0nnard", "ta gueule", "fuck", "gros con", "trou du cul", "bâtard", "PÉTASSE", "ntm", "fdp",
    ],
}  # fmt: skip
POLITE = {
    "en": [
        "Do people in Scunthorpe use it?", "What are the pros and cons, and which con weighs most?", "Does it bite?",
        "How to kill a process?", "Is 455 ok?", "Where is my class assessed?", "Which password, sk-xxx?", "Essex",
        "Is there hardcore caching?", "Does the cockpit show analysis?", "Does Peter therapist use it?", "push it",
        "Does Wagmi suck energy?", "Penistone", "a title in the document", "Which escort does the assembly have?",
    ],
    "fr": [
        "Quel concours ?", "Une veuve peut-elle demander ?", "Pourquoi ce retard ?", "Un calcul particulier",
        "Mon chat est-il gardé ?", "Une folle envie de savoir", "La bande passante", "Il faut bosser",
        "La confiance et le contenu", "Reculer de 455 pas", "Appuyer sur la pédale", "Peut-on répéter la question ?",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("language", "text"), [(key, each) for key, row in RUDE.items() for each in row])
def test_rude_words_are_found_in_disguise(language: str, text: str) -> None:
    assert is_profane(text, language)


@pytest.mark.parametrize(("language", "text"), [(key, each) for key, row in POLITE.items() for each in row])
def test_polite_questions_pass(language: str, text: str) -> None:
    assert not is_profane(text, language)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_our_own_words_are_polite(language: str) -> None:
    ours = [passage.text for passage in passages(language)]
    ours += [text for pair in approved_pairs(language) for text in (*pair.questions, pair.answer)]

    assert [text for text in ours if is_profane(text, language)] == []
