// Intrusive containers against std::deque and std::list.
#include <naru/core/intrusive.hpp>

#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <vector>

namespace naru::testing {
namespace {

struct element {
    element* next = nullptr;
    int number = 0;
};

template <class Queue>
void compare_with_deque(std::uint32_t seed) {
    std::minstd_rand random(seed);
    std::vector<element> elements(50);
    for (int number = 0; number < 50; ++number)
        elements[static_cast<std::size_t>(number)].number = number;
    std::vector<bool> queued(50);
    Queue queue;
    std::deque<element*> model;
    for (int step = 0; step < 5000; ++step) {
        element& each = elements[random() % elements.size()];
        const auto index = static_cast<std::size_t>(each.number);
        switch (random() % 4) {
            case 0:
            case 1:
                if (queued[index]) break;
                queue.push(each);
                model.push_back(&each);
                queued[index] = true;
                break;
            case 2: {
                element* popped = queue.pop();
                if (model.empty()) {
                    ASSERT_EQ(popped, nullptr);
                    break;
                }
                ASSERT_EQ(popped, model.front());
                ASSERT_EQ(popped->next, nullptr);
                queued[static_cast<std::size_t>(popped->number)] = false;
                model.pop_front();
                break;
            }
            case 3: {
                ASSERT_EQ(queue.remove(each), queued[index]);
                std::erase(model, &each);
                queued[index] = false;
                break;
            }
        }
        ASSERT_EQ(queue.empty(), model.empty());
        ASSERT_EQ(queue.front(), model.empty() ? nullptr : model.front());
    }
}

TEST(IntrusiveQueue, BehavesLikeADeque) { compare_with_deque<intrusive_queue<element>>(1); }
TEST(IntrusiveChain, BehavesLikeADeque) { compare_with_deque<intrusive_chain<element>>(2); }

// Of what waits on a handle there may be any number: a push looks at the last element and the new one only.
struct counted_element {
    struct link {
        link& operator=(counted_element* target) noexcept {
            to = target;
            return *this;
        }
        operator counted_element*() const noexcept {
            ++looked_at;
            return to;
        }
        counted_element* to = nullptr;
    };
    static inline unsigned looked_at = 0;
    link next;
};

TEST(IntrusiveChain, APushCostsTheSameWhateverIsQueued) {
    std::vector<counted_element> elements(1000);
    intrusive_chain<counted_element> chain;
    for (counted_element& each : elements) {
        counted_element::looked_at = 0;
        chain.push(each);
        ASSERT_LE(counted_element::looked_at, 2u);
    }
    for (counted_element& each : elements)
        ASSERT_EQ(chain.pop(), &each);
    EXPECT_TRUE(chain.empty());
}

TEST(IntrusiveQueue, AppendMovesEverythingBehind) {
    element elements[6];
    for (int number = 0; number < 6; ++number)
        elements[number].number = number;
    intrusive_queue<element> first;
    intrusive_queue<element> second;
    first.append(second);
    EXPECT_TRUE(first.empty());
    second.push(elements[0]);
    first.append(second);
    EXPECT_TRUE(second.empty());
    second.push(elements[1]);
    second.push(elements[2]);
    first.append(second);
    first.push(elements[3]);
    intrusive_queue<element> moved = std::move(first);
    EXPECT_TRUE(first.empty());  // NOLINT: a moved-from queue is empty
    first.push(elements[4]);
    moved.append(first);
    for (int number = 0; number < 5; ++number)
        EXPECT_EQ(moved.pop()->number, number);
    EXPECT_EQ(moved.pop(), nullptr);
    moved.push(elements[5]);
    EXPECT_EQ(moved.front()->number, 5);
}

TEST(ListNode, UnlinksItselfFromAnywhere) {
    list_head list;
    list_node nodes[5];
    EXPECT_TRUE(list.empty());
    EXPECT_EQ(list.pop_front(), nullptr);
    for (list_node& each : nodes) {
        EXPECT_FALSE(each.linked());
        list.push_back(each);
        EXPECT_TRUE(each.linked());
    }
    nodes[2].unlink();
    nodes[0].unlink();
    nodes[4].unlink();
    EXPECT_FALSE(nodes[2].linked());
    EXPECT_EQ(list.pop_front(), &nodes[1]);
    list.push_back(nodes[0]);
    EXPECT_EQ(list.pop_front(), &nodes[3]);
    EXPECT_EQ(list.pop_front(), &nodes[0]);
    EXPECT_TRUE(list.empty());
}

}  // namespace
}  // namespace naru::testing
