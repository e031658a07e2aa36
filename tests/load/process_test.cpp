// What a process is seen to use, by itself; and where a target is.
#include <load/machine.hpp>
#include <load/process_tree.hpp>
#include <load/target.hpp>

#include "support/nobody.hpp"

#include <gtest/gtest.h>

namespace naru::load {
namespace {

using namespace std::chrono_literals;

TEST(Process, is_there_with_its_threads_and_memory) {
    const std::vector<int> tree = process_tree(testing::process_number());
    ASSERT_FALSE(tree.empty());
    EXPECT_EQ(tree.front(), testing::process_number());
    EXPECT_GE(count_threads(tree), 1u);
    EXPECT_GT(read_memory(tree).user_bytes, 0u);
    EXPECT_TRUE(process_tree(1 << 29).empty()) << "nobody has this number";
}

TEST(Process, descends_from_its_parents) {
    EXPECT_EQ(descend_from(1, {{1, 2}, {1, 3}, {3, 4}, {5, 6}}), (std::vector<int>{1, 2, 3, 4}));
    EXPECT_EQ(descend_from(7, {{1, 2}}), std::vector<int>{7});
}

TEST(Process, work_shows_in_its_processor_time_and_its_threads) {
    const std::vector<int> tree{testing::process_number()};
    const duration before = read_cpu_time(tree);
    const duration thread_before = read_thread_counters().on_cpu;
    const instant give_up = clock::now() + 20s;
    while (read_thread_counters().on_cpu - thread_before < 100ms && clock::now() < give_up) {
    }
    EXPECT_GE(read_thread_counters().on_cpu - thread_before, 100ms);
    EXPECT_GE(read_cpu_time(tree) - before, 50ms) << "two clocks, in ticks";
}

TEST(Target, that_listens_is_found) {
    const unique_descriptor listener = testing::listening_socket();
    EXPECT_TRUE(probe(address::local_of(listener.get()).value(), 20s));
}

TEST(Target, where_nobody_listens_refuses) {
    const testing::nobodys_address nobody;
    const auto answered = probe(nobody, 20s);
    ASSERT_FALSE(answered);
    EXPECT_EQ(answered.error().value(), ECONNREFUSED);
}

TEST(Target, on_this_machine_need_not_be_a_loopback_address) {
    const address any = address::parse("0.0.0.0:80").value();
    EXPECT_FALSE(is_loopback(any));
    EXPECT_TRUE(is_local(any));
}

}  // namespace
}  // namespace naru::load
