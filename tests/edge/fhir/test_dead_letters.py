"""Dead letters: their number and size are limited, across restarts."""

import json

from edge.fhir.dead_letters import DeadLetters


def test_the_number_and_size_of_dead_letters_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr("edge.fhir.dead_letters.MAX_FILES", 3)
    for _ in range(2):  # a restart between them
        letters = DeadLetters(tmp_path / "dead")
        for number in range(3):
            letters.keep(number, {"n": number})
    assert len(list(letters.folder.iterdir())) == 3
    monkeypatch.setattr("edge.fhir.dead_letters.MAX_BYTES", 2 * len(b'{"n":1}'))
    letters.keep(3, {"n": 3})
    assert [json.loads(path.read_text()) for path in sorted(letters.folder.iterdir())] == [{"n": 2}, {"n": 3}]
