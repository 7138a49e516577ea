"""Recognises the wish to reach people, which no passage and no model can fulfil: the answer names the contact."""

import re

from chat.words import fold

_PEOPLE = {
    "en": r"(?:you|someone|somebody|anyone|anybody|a (?:real )?(?:human|person)|(?:real )?humans?|real people|people|"
    r"(?:the |your )?(?:team|staff|support|operators?|owners?|authors?|makers?|developers?|company|publisher|"
    r"administrators?|webmaster|people behind[\w ]*|(?:people|those) who[\w ]*|whoever[\w ]*|press office))",
    "fr": r"(?:vous|quelqu['’ ]un|un (?:etre )?humain|une (?:vraie )?personne|(?:de )?vraies? (?:gens|personnes?)|"
    r"(?:l['’ ]|le |la |les |votre |vos |un |une )?(?:equipe|service client|support|responsables?|auteurs?|editeurs?|"
    r"exploitants?|proprietaires?|administrateurs?|developpeurs?|webmestre|personnel|conseiller|conseillere)|"
    r"(?:ceux|celles) (?:qui|derriere)[\w' ]*)",
}

# Each is searched in the folded question; {people} is the row above.
_WISHES = {
    "en": (
        r"\b(?:contact|reach|call|phone|ring|e-?mail|write to|message|get in touch with|get hold of|meet) {people}\b",
        r"\b(?:talk|speak|chat) (?:to|with) (?!you\b){people}\b",
        r"\b(?:get|be|stay) in (?:touch|contact)\b",
        r"\b(?:your|a|the|any) (?:contact|phone|telephone)(?: (?:number|page|person|address))?(?: please)? ?[?.!]?$",
        r"\b(?:your|an?|any|which|is the) (?:e-?mail|postal|mailing) address(?: (?:to|for|of|where) .*)? ?[?.!]?$",
        r"\b(?:contact|phone) (?:details|form|number|information|address|page)\b"
        r"(?! of (?!(?:the|this|your) (?:team|site|website|operator|company|publisher)))",
        r"\bhow (?:can|do|could|may) (?:i|we|one) (?:contact|complain|make a complaint)\b"
        r"(?! (?:an? |the )?(?:api|server|model|code|program|websocket|address|page|port|engine))",
        r"\bhow (?:can|do|could|may) (?:i|we|one) write(?: to {people}| an? (?:e-?mail|mail|letter|message))?\W*$",
        r"\bwhom? (?:can|do|should|could|may) (?:i|we) (?:contact|ask|call|write|talk|speak|turn|report|complain)\b",
        r"\bhelp ?desk\b|\bcustomer (?:service|support)\b",
        r"^\W*contact\W*$",
    ),
    "fr": (
        r"\b(?:contacter|joindre|appeler|telephoner a|ecrire a|rencontrer|parler (?:a|avec)|discuter avec|"
        r"(?:m'|s')adresser a) {people}\b",
        r"\bvous (?:contacter|joindre|ecrire|telephoner|appeler)\b",
        r"\b(?:entrer|rester|etre|mettre) en (?:contact|relation)\b|\bprendre contact\b",
        r"\b(?:vos|votre|la|les|quelle? est l[ea']) ?(?:numero de telephone|coordonnees|courriel|"
        r"adresse (?:mail|e-?mail|courriel|postale|electronique))(?: (?:pour|de|ou) .*)? ?[?.!]*$",
        r"\b(?:numero de telephone|formulaire de contact|page de contact|service client)\b"
        r"(?! d(?:e |u |')(?!(?:l'|votre |ce |cette )?(?:equipe|site|exploitant|societe|entreprise)))",
        r"\ba qui (?:puis|dois|peut|faut|m'|s'|ecrire|parler|demander|signaler|je |est ce)",
        r"^\W*contact\W*$",
    ),
}

# The words of reaching, said of data or of programs.
_ABOUT_DATA = {
    "en": r"\b(?:stor(?:e|es|ed|ing)|keeps?|kept|sav(?:e|es|ed)|record(?:s|ed)?|logs?|logged|shar(?:e|es|ed|ing)|"
    r"sell|sold|collect(?:s|ed)?|leak(?:s|ed)?|required|retain(?:s|ed)?)\b|"
    r"\b(?:need|give|leave|enter|see|know|read|ask for) (?:an?|my|the|our) (?:e-?mail|phone|address)|"
    r"\b(?:is|are) (?:the|your) [^?]{0,40} public\b|\bwhat (?:is|are) [^?]{0,60} for(?: in\b|\W*$)|"
    r"\b(?:model|assistant|bot|site|server|api|wagmi|it) (?:call|contact|e-?mail|write|phone|message|reach)\b",
    "fr": r"\b(?:conserv|gard|stock|enregistr|partag|vend|collect|exige|journalis)\w*|"
    r"\b(?:faut il|besoin d|donner|laisser|fournir|voir|voyez|connait\w*|lire|lisez|demand\w*) ?"
    r"(?:une?|mon|ma|l)?\b['’ ]?(?:adresse|numero|courriel|e-?mail|mail)|"
    r"\ba quoi ser(?:t|vent)\b|"
    r"\b(?:modele|assistant|robot|site|serveur|api|wagmi) (?:peut|pourrait|sait|doit|va) "
    r"(?:il|elle|t il|t elle) \w+er\b",
}


def is_contact(question: str, language: str) -> bool:
    """Return whether ``question`` asks how to reach people; False in a language without rules."""
    text = " ".join(re.sub(r"[-‐‑]", " ", fold(question)).replace("’", "'").split())
    text = text.replace("e mail", "e-mail")
    if language not in _WISHES:
        return False
    people = _PEOPLE[language]
    return _any(_WISHES[language], text, people) and not re.search(_ABOUT_DATA[language], text)


def _any(patterns: tuple[str, ...], text: str, people: str) -> bool:
    return any(re.search(pattern.replace("{people}", people), text) for pattern in patterns)
