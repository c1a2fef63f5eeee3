"""Login throttle and the rate of logins."""

from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.rate_bounds import Rate
from services.auth.rules.login_throttle import BackoffPolicy, LoginRate, LoginThrottle

ONE = BackoffPolicy(free=5, wait_max_s=300, forgive_s=600)
ACCOUNT = BackoffPolicy(free=30, wait_max_s=60, forgive_s=60)
ADDRESS = BackoffPolicy(free=50, wait_max_s=60, forgive_s=60)


def new_throttle(remembered: int = 1000) -> LoginThrottle:
    return LoginThrottle(ONE, ACCOUNT, ADDRESS, remembered=remembered)


def may_begin(throttle: LoginThrottle, account: str, address: str, now_s: float) -> bool:
    return throttle.wait_s(account, address, now_s) == 0 and not throttle.must_await_outcome(account, address, now_s)


def guess(throttle: LoginThrottle, account: str, address: str, now_s: float) -> bool:
    """Try a wrong password; returns whether the throttle allowed the attempt."""
    if not may_begin(throttle, account, address, now_s):
        return False
    throttle.begin(account, address, now_s)
    throttle.fail(account, address, now_s)
    return True


def begun_at_once(throttle: LoginThrottle, targets: list[tuple[str, str]]) -> int:
    """How many attempts the throttle allows before the outcome of any of them is known."""
    begun = 0
    for account, address in targets:
        if may_begin(throttle, account, address, 0):
            throttle.begin(account, address, 0)
            begun += 1
    return begun


def guesses_in(throttle: LoginThrottle, account: str, address: str, seconds: int) -> int:
    """How many of one attempt per second the throttle allows."""
    return sum(guess(throttle, account, address, float(second)) for second in range(seconds))


class TestAccountFromAddress:
    def test_the_first_failures_add_no_wait(self) -> None:
        throttle = new_throttle()
        assert all(guess(throttle, "alice", "a", 0) for _ in range(5))

    def test_guesses_after_the_free_failures_must_wait(self) -> None:
        throttle = new_throttle()
        assert [guess(throttle, "alice", "a", 0) for _ in range(10)].count(True) == 5
        assert throttle.wait_s("alice", "a", 0) == 1

    def test_each_further_failure_doubles_the_wait_up_to_the_maximum(self) -> None:
        throttle, now_s, waits = new_throttle(), 0.0, []
        for _ in range(20):
            guess(throttle, "alice", "a", now_s)
            waits.append(throttle.wait_s("alice", "a", now_s))
            now_s += waits[-1]
        assert waits[4:13] == [1, 2, 4, 8, 16, 32, 64, 128, 256]
        assert waits[-1] == 300

    def test_a_day_of_guessing_allows_fewer_than_400_attempts(self) -> None:
        assert guesses_in(new_throttle(), "alice", "a", 86_400) < 400

    def test_a_successful_login_clears_the_failures(self) -> None:
        throttle = new_throttle()
        for _ in range(4):
            guess(throttle, "alice", "a", 0)
        throttle.succeed("alice", "a")
        assert all(guess(throttle, "alice", "a", 0) for _ in range(5))

    def test_after_the_free_failures_only_one_attempt_runs_at_a_time(self) -> None:
        throttle = new_throttle()
        for _ in range(5):
            guess(throttle, "alice", "a", 0)
        throttle.begin("alice", "a", 10)
        assert not may_begin(throttle, "alice", "a", 10)


class TestAttemptsWithoutAnOutcome:
    def test_attempts_at_once_are_limited_to_the_free_failures(self) -> None:
        assert begun_at_once(new_throttle(), [("alice", "a")] * 64) == 5

    def test_attempts_at_once_from_many_addresses_are_limited_to_the_accounts_free_failures(self) -> None:
        assert begun_at_once(new_throttle(), [("alice", f"a{number}") for number in range(64)]) == 30

    def test_attempts_at_once_for_many_accounts_are_limited_to_the_addresss_free_failures(self) -> None:
        assert begun_at_once(new_throttle(), [(f"user-{number}", "a") for number in range(64)]) == 50

    def test_a_trusted_address_does_not_wait_for_attempts_from_other_addresses(self) -> None:
        throttle = new_throttle()
        throttle.begin("alice", "home", 0)
        throttle.succeed("alice", "home")
        begun_at_once(throttle, [("alice", f"a{number}") for number in range(64)])
        assert may_begin(throttle, "alice", "home", 0)
        assert not may_begin(throttle, "alice", "elsewhere", 0)

    def test_failures_before_and_attempts_without_an_outcome_are_added(self) -> None:
        throttle = new_throttle()
        for _ in range(3):
            guess(throttle, "alice", "a", 0)
        assert begun_at_once(throttle, [("alice", "a")] * 64) == 2

    def test_a_right_password_makes_room_for_the_next_attempt(self) -> None:
        throttle = new_throttle()
        assert begun_at_once(throttle, [("alice", "a")] * 64) == 5
        throttle.succeed("alice", "a")
        assert begun_at_once(throttle, [("alice", "a")] * 64) == 1

    def test_an_attempt_that_was_never_checked_makes_room_for_the_next_one(self) -> None:
        throttle = new_throttle()
        assert begun_at_once(throttle, [("alice", "a")] * 64) == 5
        throttle.withdraw("alice", "a")
        assert begun_at_once(throttle, [("alice", "a")] * 64) == 1

    def test_a_right_password_keeps_the_other_attempts_counted(self) -> None:
        throttle = new_throttle()
        for _ in range(5):
            throttle.begin("alice", "a", 0)
        throttle.succeed("alice", "a")
        for _ in range(4):
            throttle.fail("alice", "a", 0)
        assert [guess(throttle, "alice", "a", 0) for _ in range(3)] == [True, False, False]

    def test_nothing_is_remembered_of_right_passwords_but_the_address(self) -> None:
        throttle = new_throttle()
        throttle.begin("alice", "a", 0)
        throttle.succeed("alice", "a")
        assert len(throttle) == 0


class TestLockout:
    def test_guessing_from_one_address_does_not_block_other_addresses(self) -> None:
        throttle = new_throttle()
        guesses_in(throttle, "alice", "attacker", 3600)
        assert throttle.wait_s("alice", "home", 3600) == 0

    def test_guessing_from_many_addresses_does_not_block_trusted_addresses(self) -> None:
        throttle = new_throttle()
        throttle.succeed("alice", "home")
        for number in range(100):
            guess(throttle, "alice", f"attacker-{number}", 0)
        assert throttle.wait_s("alice", "elsewhere", 0) > 0
        assert throttle.wait_s("alice", "home", 0) == 0

    def test_no_login_wait_exceeds_the_maximum(self) -> None:
        throttle = new_throttle()
        for second in range(0, 100_000, 7):
            guess(throttle, "alice", "a", second)
            assert throttle.wait_s("alice", "a", second) <= 300

    def test_failures_are_forgiven_over_time(self) -> None:
        throttle = new_throttle()
        guesses_in(throttle, "alice", "a", 100)
        assert all(guess(throttle, "alice", "a", 1_000_000) for _ in range(5))


class TestAddress:
    def test_an_address_that_tries_many_accounts_must_wait(self) -> None:
        throttle = new_throttle()
        tried = sum(guess(throttle, f"user-{number}", "a", 0) for number in range(500))
        assert tried == 50
        assert throttle.wait_s("user-501", "b", 0) == 0

    def test_an_address_cannot_reset_its_failures_with_its_own_account(self) -> None:
        throttle = new_throttle()
        tried = 0
        for number in range(600):
            tried += guess(throttle, f"user-{number}", "a", number)
            if throttle.wait_s("mine", "a", number) == 0:
                throttle.begin("mine", "a", number)
                throttle.succeed("mine", "a")
        assert tried < 120


class TestRobustness:
    @given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), max_size=300))
    def test_memory_is_bounded_for_any_input(self, tries: list[tuple[int, int]]) -> None:
        throttle = new_throttle(remembered=20)
        for account, address in tries:
            guess(throttle, str(account), str(address), 0)
        assert len(throttle) <= 60

    @given(st.lists(st.floats(-1e6, 1e9, allow_nan=False), max_size=50))
    def test_a_jumping_clock_gives_no_negative_wait(self, times: list[float]) -> None:
        throttle = new_throttle()
        for now_s in times:
            guess(throttle, "alice", "a", now_s)
            assert throttle.wait_s("alice", "a", now_s) >= 0


class TestLoginRate:
    def test_logins_of_one_account_are_limited_over_all_addresses(self) -> None:
        rate = LoginRate(account=Rate(3, 0.5), address=Rate(100, 1))
        for number in range(3):
            assert rate.wait_s("alice", f"a{number}", 0) == 0
            rate.count("alice", f"a{number}", 0)
        assert rate.wait_s("alice", "a9", 0) == 2
        assert rate.wait_s("bob", "a9", 0) == 0

    def test_logins_from_one_address_are_limited_over_all_accounts(self) -> None:
        rate = LoginRate(account=Rate(100, 1), address=Rate(3, 0.5))
        for number in range(3):
            rate.count(f"user-{number}", "a", 0)
        assert rate.wait_s("alice", "a", 0) == 2
        assert rate.wait_s("alice", "b", 0) == 0

    def test_a_refused_login_is_not_counted(self) -> None:
        rate = LoginRate(account=Rate(1, 0.5), address=Rate(2, 0.5))
        rate.count("alice", "a", 0)
        for _ in range(10):
            assert rate.wait_s("alice", "a", 0) == 2
        assert rate.wait_s("bob", "a", 0) == 0
