"""A receipt number is hard to guess and easy to type."""

from compliance import receipt_numbers


def test_no_two_are_alike_and_each_is_known_however_it_is_typed() -> None:
    numbers = [receipt_numbers.new("F") for _ in range(200)]

    assert len(set(numbers)) == 200
    number = numbers[0]
    assert len(number) == len("F-7K3M-9QXA-7K3M-9QXA")
    typed = number.lower().replace("-", " ")
    assert receipt_numbers.digest(typed) == receipt_numbers.digest(number) != receipt_numbers.digest(numbers[1])
