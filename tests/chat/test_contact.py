"""The wish to reach people is heard; the same words said of data or programs are not mistaken for it."""

import pytest

from chat.contact.wishes import is_contact

WISHES = {
    "en": [
        "How can I contact you?", "Who can I talk to?", "I want to speak to a human", "Is there a phone number?",
        "What is your email address?", "How do I reach the team?", "Can I call someone?", "contact",
        "Can I write to the people behind this site?", "How do I get in touch?", "Do you have a contact form?",
        "Where do I send a complaint, is there an e-mail address?", "I need to talk to a real person",
        "Who do I contact about a bug?", "How do I reach the operator?",
    ],
    "fr": [
        "Comment vous contacter ?", "Puis-je parler à quelqu'un ?", "Quel est votre numéro de téléphone ?",
        "Quelle est votre adresse e-mail ?", "Je veux parler à un humain", "À qui puis-je m'adresser ?",
        "Comment joindre l'équipe ?", "contact", "Avez-vous un formulaire de contact ?", "Où puis-je vous écrire ?",
        "À qui signaler un problème ?", "Comment prendre contact ?", "Je voudrais parler à une vraie personne",
    ],
}  # fmt: skip
OTHERS = {
    "en": [
        "Do you store my email address?", "Does the site call other servers?", "Do you contact other hosts?",
        "Can I write to the API?", "How do I reach the health endpoint?", "Am I talking to a human?",
        "Can I talk to you in French?", "What is the address of the health check?", "How long do you keep my chats?",
        "Do I need an email address to ask?", "How can I reach the server over the network?",
        "Do you log my phone number?", "Who can see what I write?", "Can the model call functions?",
        "Does the assistant send mail?", "Is contact information collected?", "How many people can chat at once?",
        "Is the site open to people with disabilities?",
    ],
    "fr": [
        "Conservez-vous mon adresse e-mail ?", "Est-ce que je parle à un humain ?", "Puis-je joindre un fichier ?",
        "Le site appelle-t-il d'autres serveurs ?", "Puis-je écrire en français ?", "Faut-il une adresse e-mail ?",
        "Quelle est l'adresse de santé ?", "Qui peut lire ce que j'écris ?", "Le modèle peut-il envoyer un courriel ?",
        "Enregistrez-vous mon numéro de téléphone ?", "Dois-je donner mon adresse e-mail ?",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("language", "question"), [(key, each) for key, row in WISHES.items() for each in row])
def test_the_wish_to_reach_people_is_heard(language: str, question: str) -> None:
    assert is_contact(question, language)


@pytest.mark.parametrize(("language", "question"), [(key, each) for key, row in OTHERS.items() for each in row])
def test_the_same_words_about_something_else_are_no_wish(language: str, question: str) -> None:
    assert not is_contact(question, language)


def test_a_language_without_rules_has_no_wishes() -> None:
    assert not is_contact("Wie kann ich Sie erreichen?", "de")
