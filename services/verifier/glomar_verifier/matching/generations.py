"""Words of generation in a name (Jr, III, Filho, the Younger): they tell a father from his son. Pure."""

from collections.abc import Iterator, Sequence

from glomar_verifier.matching.rules import Rules, Spellings


def split_generations(
    words: Sequence[str], rules: Rules, keep: int, *, surname: bool = False
) -> tuple[list[str], list[str]]:
    """-> (the other words, the words of generation in standard form). The first `keep` words are names,
    unless the word is no name (Jr. Silva). In a surname credentials are left out as well, and the last word
    may also be a single letter: Smith V."""
    names = list(words)
    found: list[str] = []
    if surname:
        names, found = _without_last(names, rules)
    while len(names) > 1 and names[0] in rules.generations_before_name:
        found.append(rules.generations[names.pop(0)])
    rest = names[keep:]
    if not rest:
        return names, found
    if not any(word in rules.generations for word in rest) and rules.generation_articles.isdisjoint(rest):
        return names, found
    names = names[:keep]
    for word, standard in _split(rest, rules):
        if standard:
            found.append(standard)
        else:
            names.append(word)
    return names, found


def suffix_of(words: Sequence[str], rules: Rules) -> Iterator[str]:
    """The content of the suffix column in standard form. What is no word of generation stays, as one word."""
    if not words or " ".join(words) in rules.no_middle_name or words in (["N", "A"], ["NA"]):
        return
    joined = "".join(words)
    if joined in rules.last_generations:
        yield rules.last_generations[joined]
        return
    others = []
    for word, standard in _split(words, rules, rules.last_generations):
        if standard:
            yield standard
        elif word not in rules.credentials:
            others.append(word)
    if others and (joined := "".join(others)) not in rules.credentials:
        yield joined


def _without_last(names: list[str], rules: Rules) -> tuple[list[str], list[str]]:
    """Without the last words that are credentials or that may be a word of generation in the last place."""
    found: list[str] = []
    while len(names) > 1:
        if names[-1] in rules.credentials:
            names = names[:-1]
        elif len(names) > 2 and "".join(names[-2:]) in rules.last_generations and len(names[-2]) == 1:
            # d. y.
            found.insert(0, rules.last_generations["".join(names[-2:])])
            names = names[:-2]
        elif names[-1] in rules.last_generations:
            found.insert(0, rules.last_generations[names[-1]])
            names = names[:-1]
            if len(names) > 1 and names[-1] in rules.generation_articles:
                names = names[:-1]
        else:
            break
    return names, found


def _split(
    words: Sequence[str], rules: Rules, generations: Spellings | None = None
) -> Iterator[tuple[str, str]]:
    """(word, "") for a name, (word, standard form) for a word of generation. An article before one is left
    out."""
    table = rules.generations if generations is None else generations
    after_article = {**table, **rules.generations_after_article}
    at = 0
    while at < len(words):
        word = words[at]
        following = words[at + 1] if at + 1 < len(words) else ""
        if word in rules.generation_articles and following in after_article:
            yield following, after_article[following]
            at += 2
        else:
            yield word, table.get(word, "")
            at += 1
