#include <naru/backend/state_table.hpp>
#include <naru/backend/uring/states.hpp>

#include <gtest/gtest.h>

#include <iterator>
#include <string>

namespace naru {

namespace {

// The states that can be reached from `start`, by whatever steps.
template <typename State>
unsigned reached_from(State start) {
    unsigned found = states(start);
    for (unsigned before = 0; before != found;) {
        before = found;
        for (std::size_t each = 0; each < std::size(state_table<State>::rows); ++each) {
            if ((found >> each & 1u) != 0) found |= state_table<State>::rows[each].next;
        }
    }
    return found;
}

template <typename State>
constexpr unsigned all_of() {
    return (1u << std::size(state_table<State>::rows)) - 1;
}

}  // namespace

TEST(StateTable, LegalStepsAreTaken) {
    using uring::standing;
    uring::handle_states one;
    one.to(standing::active);
    EXPECT_TRUE(one.armed());
    EXPECT_FALSE(one.stopping());
    one.to(standing::stopping);
    EXPECT_TRUE(one.armed());
    EXPECT_TRUE(one.stopping());
    one.to(standing::none);
    EXPECT_FALSE(one.armed());
    one.to(standing::poll_due);
    one.to(standing::polling);
    EXPECT_TRUE(one.polls());
    EXPECT_EQ(one.life(), uring::life::open) << "the machines of a handle are apart";
    EXPECT_EQ(one.zero_copy(), uring::zero_copy::possible);
}

TEST(StateTable, EveryStateCanBeReachedAndLeadsOnlyToStatesThatThereAre) {
    EXPECT_EQ(reached_from(uring::life::open), all_of<uring::life>());
    EXPECT_EQ(reached_from(uring::standing::none), all_of<uring::standing>());
    EXPECT_EQ(reached_from(uring::pace::small), all_of<uring::pace>());
    EXPECT_EQ(reached_from(uring::zero_copy::possible), all_of<uring::zero_copy>());
    EXPECT_EQ(reached_from(uring::linked_send::none), all_of<uring::linked_send>());
    EXPECT_EQ(reached_from(uring::place::waiting), all_of<uring::place>());
    EXPECT_EQ(reached_from(uring::connecting::asking), all_of<uring::connecting>());
}

TEST(StateTable, AnOperationsCountStandsBesideItsPlace) {
    operation op(operation_kind::send, [](operation&) noexcept {});
    uring::begin(op);
    for (unsigned each = 0; each < uring::most_notices; ++each)
        op.backend_bits += uring::one_counted;
    uring::to(op, uring::place::polling);
    EXPECT_EQ(uring::place_of(op), uring::place::polling);
    EXPECT_EQ(uring::counted_of(op), uring::most_notices);
    uring::to(op, uring::place::waiting);
    uring::to(op, uring::place::owed);
    EXPECT_EQ(uring::counted_of(op), uring::most_notices);
    uring::begin(op);
    EXPECT_EQ(op.backend_bits, 0);
}

TEST(StateTable, AConnectsStateStandsBesideItsPlaceAndItsCount) {
    using uring::connecting;
    operation op(operation_kind::connect, [](operation&) noexcept {});
    uring::begin(op);
    EXPECT_EQ(uring::connecting_of(op), connecting::asking);
    for (unsigned each = 0; each < uring::put_off_mask; ++each) {
        uring::to(op, uring::place::in_kernel);
        uring::to(op, uring::place::waiting);
        EXPECT_EQ(uring::put_off_count_of(op), each);
        op.backend_bits += uring::one_counted;
        uring::to(op, connecting::pausing);
        EXPECT_EQ(uring::connecting_of(op), connecting::pausing);
        uring::to(op, connecting::asking);
    }
    EXPECT_EQ(uring::put_off_count_of(op), uring::put_off_mask);
    uring::to(op, connecting::watching);
    EXPECT_EQ(uring::connecting_of(op), connecting::watching);
    EXPECT_EQ(uring::place_of(op), uring::place::waiting);
    EXPECT_EQ(uring::put_off_count_of(op), uring::put_off_mask);
    uring::begin(op);
    EXPECT_EQ(op.backend_bits, 0);
}

// In release builds, too.
TEST(StateTableDeathTest, AStepThatIsNotInTheTableEndsTheProcessWithOneLine) {
    uring::handle_states one;
    EXPECT_DEATH(one.to(uring::standing::stopping),
                 "naru: bug: the standing request of an io_uring handle goes from 'none' to 'stopping'");
    one.to(uring::life::finishing);
    EXPECT_DEATH(one.to(uring::life::late),
                 "naru: bug: the life of an io_uring handle goes from 'finishing' to 'late'");
}

}  // namespace naru
