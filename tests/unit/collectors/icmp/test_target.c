#include "target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>

#define ID 77

static const struct phu_siphash_key key = {UINT64_C(0x0706050403020100),
                                           UINT64_C(0x0f0e0d0c0b0a0908)};
static const uint8_t here[16] = {10, 9, 8, 7}, elsewhere[16] = {10, 9, 8, 6};

static struct phu_icmp_target new_target(void)
{
    struct phu_icmp_target target = {
        .slot = 5000, .generation = 40, .first_generation = 41, .size = 56, .family = AF_INET};

    memcpy(target.address, here, sizeof here);
    return target;
}

static struct phu_icmp_echo send_probe(struct phu_icmp_target *target)
{
    struct phu_icmp_echo echo;

    phu_icmp_target_next(target, ID, &key, &echo);
    target->state = PHU_ICMP_SENT;
    return echo;
}

static struct phu_icmp_answer reply_to(const struct phu_icmp_echo *echo)
{
    return (struct phu_icmp_answer){
        .kind = PHU_ICMP_REPLY, .has_cookie = true, .payload = 56, .echo = *echo};
}

static struct phu_icmp_answer error_about(const struct phu_icmp_echo *echo)
{
    struct phu_icmp_answer answer = {.kind = PHU_ICMP_ERROR, .has_cookie = true, .echo = *echo};

    memcpy(answer.target, here, sizeof here);
    return answer;
}

#define assert_outcome(target, answer, source, outcome)                                            \
    assert_int_equal(phu_icmp_target_match((target), &key, (answer), (source)), (outcome))

static void siphash_gives_the_published_values(void **state)
{
    const uint8_t bytes[15] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};

    (void)state;
    assert_true(phu_siphash(&key, bytes, 15) == UINT64_C(0xa129ca6149be45e5));
    assert_true(phu_siphash(&key, bytes, 0) == UINT64_C(0x726fdb47dd0e0e31));
}

static void the_first_reply_answers_and_the_second_is_a_duplicate(void **state)
{
    struct phu_icmp_target target = new_target();
    struct phu_icmp_echo echo = send_probe(&target);
    struct phu_icmp_answer answer = reply_to(&echo);

    (void)state;
    assert_outcome(&target, &answer, here, PHU_ICMP_ANSWERED);
    assert_outcome(&target, &answer, here, PHU_ICMP_DUPLICATE);
    target.state = PHU_ICMP_IDLE;
    send_probe(&target);
    assert_outcome(&target, &answer, here, PHU_ICMP_DUPLICATE);
}

static void a_reply_after_giving_up_is_late_once(void **state)
{
    struct phu_icmp_target target = new_target();
    struct phu_icmp_echo echo = send_probe(&target);
    struct phu_icmp_answer answer = reply_to(&echo);

    (void)state;
    target.state = PHU_ICMP_IDLE;
    assert_outcome(&target, &answer, here, PHU_ICMP_LATE);
    assert_outcome(&target, &answer, here, PHU_ICMP_DUPLICATE);
}

static void a_late_reply_never_answers_a_newer_probe(void **state)
{
    struct phu_icmp_target target = new_target();
    struct phu_icmp_echo first = send_probe(&target), newer;
    struct phu_icmp_answer answer = reply_to(&first);

    (void)state;
    /* Past the 6 bits of the sequence number: only the cookie's generation tells them apart. */
    for (int i = 0; i < 64; i++)
        newer = send_probe(&target);
    assert_int_equal(newer.sequence, first.sequence);
    assert_outcome(&target, &answer, here, PHU_ICMP_LATE);
    answer = reply_to(&newer);
    assert_outcome(&target, &answer, here, PHU_ICMP_ANSWERED);
}

static void forgeries_are_told(void **state)
{
    struct phu_icmp_target target = new_target();
    struct phu_icmp_echo echo = send_probe(&target);
    struct phu_icmp_answer answer = reply_to(&echo);

    (void)state;
    assert_outcome(&target, &answer, elsewhere, PHU_ICMP_FORGED);
    answer.echo.cookie ^= 1;
    assert_outcome(&target, &answer, here, PHU_ICMP_FORGED);
    assert_outcome(&target, &answer, elsewhere, PHU_ICMP_FOREIGN);
    answer = reply_to(&echo);
    answer.echo.generation++; /* a cookie of one probe on another */
    answer.echo.sequence = phu_icmp_sequence(answer.echo.slot, answer.echo.generation);
    assert_outcome(&target, &answer, here, PHU_ICMP_FORGED);
    answer = reply_to(&echo);
    answer.echo.sequence++;
    assert_outcome(&target, &answer, here, PHU_ICMP_FORGED);
    answer = reply_to(&echo);
    assert_outcome(&target, &answer, here, PHU_ICMP_ANSWERED);
}

static void changed_replies_are_corrupted(void **state)
{
    struct phu_icmp_target target = new_target();
    struct phu_icmp_echo echo = send_probe(&target);
    struct phu_icmp_answer answer = reply_to(&echo);

    (void)state;
    answer.payload = 40; /* cut short */
    assert_outcome(&target, &answer, here, PHU_ICMP_CORRUPTED);
    answer = reply_to(&echo);
    answer.is_damaged = true;
    assert_outcome(&target, &answer, here, PHU_ICMP_CORRUPTED);
    answer.echo.cookie ^= 8;
    assert_outcome(&target, &answer, here, PHU_ICMP_SPOILED);
}

static void errors_are_matched_by_what_they_quote(void **state)
{
    struct phu_icmp_target target = new_target();
    struct phu_icmp_echo echo = send_probe(&target);
    struct phu_icmp_answer answer = error_about(&echo);

    (void)state;
    /* Any router on the way may send it. */
    assert_outcome(&target, &answer, elsewhere, PHU_ICMP_REPORTED);
    answer.echo.cookie ^= 1;
    assert_outcome(&target, &answer, elsewhere, PHU_ICMP_FORGED);
    answer = error_about(&echo);
    memcpy(answer.target, elsewhere, sizeof elsewhere);
    assert_outcome(&target, &answer, elsewhere, PHU_ICMP_FOREIGN);
    answer = error_about(&echo);
    answer.is_damaged = true;
    assert_outcome(&target, &answer, elsewhere, PHU_ICMP_SPOILED);
    answer = error_about(&echo);
    send_probe(&target);
    assert_outcome(&target, &answer, elsewhere, PHU_ICMP_REPORTED_LATE);
}

static void an_error_without_cookie_is_but_a_hint(void **state)
{
    struct phu_icmp_target target = new_target();
    struct phu_icmp_echo echo = send_probe(&target);
    struct phu_icmp_answer answer = error_about(&echo);

    (void)state;
    answer.has_cookie = false;
    assert_outcome(&target, &answer, elsewhere, PHU_ICMP_REPORTED_HINT);
    answer.echo.sequence++;
    assert_outcome(&target, &answer, elsewhere, PHU_ICMP_REPORTED_LATE);
}

static void a_new_owner_of_a_slot_gets_no_old_answers(void **state)
{
    struct phu_icmp_target target = new_target();
    struct phu_icmp_echo echo = send_probe(&target);
    struct phu_icmp_answer answer = reply_to(&echo), error = error_about(&echo);

    (void)state;
    target.first_generation = target.generation + 1;
    send_probe(&target);
    assert_outcome(&target, &answer, here, PHU_ICMP_STALE);
    assert_outcome(&target, &error, here, PHU_ICMP_STALE);
}

static void generations_may_wrap(void **state)
{
    struct phu_icmp_target target = new_target();
    struct phu_icmp_echo last, first;
    struct phu_icmp_answer answer;

    (void)state;
    target.generation = UINT32_MAX - 1;
    target.first_generation = UINT32_MAX - 10;
    last = send_probe(&target);
    first = send_probe(&target);
    assert_int_equal(first.generation, 0);
    answer = reply_to(&last);
    assert_outcome(&target, &answer, here, PHU_ICMP_LATE);
    answer = reply_to(&first);
    assert_outcome(&target, &answer, here, PHU_ICMP_ANSWERED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_gives_the_published_values),
        cmocka_unit_test(the_first_reply_answers_and_the_second_is_a_duplicate),
        cmocka_unit_test(a_reply_after_giving_up_is_late_once),
        cmocka_unit_test(a_late_reply_never_answers_a_newer_probe),
        cmocka_unit_test(forgeries_are_told),
        cmocka_unit_test(changed_replies_are_corrupted),
        cmocka_unit_test(errors_are_matched_by_what_they_quote),
        cmocka_unit_test(an_error_without_cookie_is_but_a_hint),
        cmocka_unit_test(a_new_owner_of_a_slot_gets_no_old_answers),
        cmocka_unit_test(generations_may_wrap),
    };

    return cmocka_run_group_tests_name("icmp_target", tests, NULL, NULL);
}
