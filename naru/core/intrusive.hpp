// Intrusive containers: the link is a member of the element, so queueing an operation or a timer
// allocates nothing, cannot fail, and touches memory that is about to be used anyway.
#pragma once

#include <naru/core/check.hpp>

#include <cstddef>
#include <utility>

// An element on the stack of who waits for it is what these containers are for, and what a list is known to
// outlive: GCC warns of it, in the user's function that a push is inlined into.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdangling-pointer"
#endif

namespace naru {

/// First in, first out, linked by `T::next`. An element is in at most one queue at a time.
template <class T>
class intrusive_queue {
 public:
    intrusive_queue() noexcept = default;
    intrusive_queue(intrusive_queue&& other) noexcept
        : first_(std::exchange(other.first_, nullptr)), last_(std::exchange(other.last_, nullptr)) {}
    intrusive_queue& operator=(intrusive_queue&& other) noexcept {
        NARU_ASSERT(empty());
        first_ = std::exchange(other.first_, nullptr);
        last_ = std::exchange(other.last_, nullptr);
        return *this;
    }

    bool empty() const noexcept { return first_ == nullptr; }
    T* front() const noexcept { return first_; }

    void push(T& element) noexcept {
        element.next = nullptr;
        if (last_ != nullptr) {
            last_->next = &element;
        } else {
            first_ = &element;
        }
        last_ = &element;
    }

    /// Removes and returns the oldest element, or nullptr.
    T* pop() noexcept {
        T* element = first_;
        if (element == nullptr) return nullptr;
        first_ = element->next;
        if (first_ == nullptr) last_ = nullptr;
        element->next = nullptr;
        return element;
    }

    /// Moves everything from `other` behind what is here.
    void append(intrusive_queue& other) noexcept {
        if (other.empty()) return;
        if (last_ != nullptr) {
            last_->next = other.first_;
        } else {
            first_ = other.first_;
        }
        last_ = other.last_;
        other.first_ = other.last_ = nullptr;
    }

    /// Takes one element out of the middle: O(n), for cancellation only. False if it is not here.
    bool remove(T& element) noexcept {
        T* before = nullptr;
        for (T* each = first_; each != nullptr; before = each, each = each->next) {
            if (each != &element) continue;
            (before != nullptr ? before->next : first_) = each->next;
            if (last_ == each) last_ = before;
            element.next = nullptr;
            return true;
        }
        return false;
    }

 private:
    T* first_ = nullptr;
    T* last_ = nullptr;
};

/// The same with one pointer instead of two: a ring of which only the last element is kept, whose `next` is
/// the first. For what waits in one direction of a handle, of which there are many and most are empty.
template <class T>
class intrusive_chain {
 public:
    bool empty() const noexcept { return last_ == nullptr; }
    T* front() const noexcept { return last_ != nullptr ? last_->next : nullptr; }

    void push(T& element) noexcept {
        if (last_ != nullptr) {
            element.next = last_->next;
            last_->next = &element;
        } else {
            element.next = &element;
        }
        last_ = &element;
    }

    /// Removes and returns the oldest element, or nullptr.
    T* pop() noexcept { return last_ != nullptr ? take_behind(*last_) : nullptr; }

    /// Whether an element is at this address: O(n). What is asked for may be gone.
    bool contains(const T* element) const noexcept {
        for (T* each = front(); each != nullptr; each = each == last_ ? nullptr : each->next) {
            if (each == element) return true;
        }
        return false;
    }

    /// Takes one element out of the middle: O(n), for cancellation only. False if it is not here.
    bool remove(T& element) noexcept {
        T* before = last_;
        if (before == nullptr) return false;
        while (before->next != &element) {
            before = before->next;
            if (before == last_) return false;
        }
        take_behind(*before);
        return true;
    }

 private:
    T* take_behind(T& before) noexcept {
        T* const taken = before.next;
        if (taken == &before) {
            last_ = nullptr;
        } else {
            before.next = taken->next;
            if (taken == last_) last_ = &before;
        }
        taken->next = nullptr;
        return taken;
    }

    T* last_ = nullptr;
};

/// A node of a circular doubly linked list; unlinks itself in O(1) without knowing the list.
struct list_node {
    list_node* next_node = nullptr;
    list_node* previous_node = nullptr;

    list_node() noexcept = default;
    list_node(const list_node&) = delete;
    list_node& operator=(const list_node&) = delete;

    bool linked() const noexcept { return next_node != nullptr; }

    void unlink() noexcept {
        previous_node->next_node = next_node;
        next_node->previous_node = previous_node;
        next_node = previous_node = nullptr;
    }

    void link_before(list_node& position) noexcept {
        next_node = &position;
        previous_node = position.previous_node;
        position.previous_node->next_node = this;
        position.previous_node = this;
    }
};

/// A list head: a node that points at itself when the list is empty.
struct list_head : list_node {
    list_head() noexcept { next_node = previous_node = this; }
    bool empty() const noexcept { return next_node == this; }
    void push_back(list_node& node) noexcept { node.link_before(*this); }
    list_node* front() const noexcept { return empty() ? nullptr : next_node; }
    list_node* pop_front() noexcept {
        list_node* node = front();
        if (node != nullptr) node->unlink();
        return node;
    }
    /// Moves everything from `other` behind what is here.
    void take_all(list_head& other) noexcept {
        if (other.empty()) return;
        list_node* const first = other.next_node;
        list_node* const last = other.previous_node;
        other.next_node = other.previous_node = &other;
        first->previous_node = previous_node;
        previous_node->next_node = first;
        last->next_node = this;
        previous_node = last;
    }
};

}  // namespace naru

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
