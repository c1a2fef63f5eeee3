from bench.profiler import top


def test_functions_are_listed_by_how_often_they_were_on_top() -> None:
    assert top("main;send 3\nmain;loop;send 3\nmain 2\n", shown=1) == " 75.0%  send"


def test_no_samples_are_no_functions() -> None:
    assert top("", shown=5) == ""
