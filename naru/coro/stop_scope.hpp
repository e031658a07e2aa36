// Asking coroutines to end: a scope is stopped, and everything awaited within it is cancelled and ends with
// operation_canceled (or with the result it already had: a stop is a request, see loop/operation.hpp).
#pragma once

#include <naru/core/intrusive.hpp>

namespace naru {

/// A tree: stopping a scope stops its children. A task awaited by another inherits its scope. Belongs to one
/// loop's thread; to stop from another, post. Must outlive what runs in it.
class stop_scope {
 public:
    /// Something to cancel. Leaves its scope by unlink().
    struct entry : list_node {
        using function = void (*)(entry&) noexcept;
        explicit entry(function stop) noexcept : on_stop(stop) {}
        function on_stop;
    };

    stop_scope() noexcept : in_parent_(*this) {}
    explicit stop_scope(stop_scope* parent) noexcept : stop_scope() {
        if (parent != nullptr) parent->add(in_parent_);
    }
    ~stop_scope() {
        if (in_parent_.linked()) in_parent_.unlink();
        NARU_ASSERT(entries_.empty());
    }

    bool stopped() const noexcept { return stopped_; }

    void stop() noexcept {
        stopped_ = true;
        while (list_node* node = entries_.pop_front()) {
            auto& each = static_cast<entry&>(*node);
            each.on_stop(each);
        }
    }

    /// Calls the entry at once if the scope has been stopped already.
    void add(entry& each) noexcept {
        if (stopped_) {
            each.on_stop(each);
        } else {
            entries_.push_back(each);
        }
    }

 private:
    struct child_entry : entry {
        explicit child_entry(stop_scope& of) noexcept
            : entry([](entry& self) noexcept { static_cast<child_entry&>(self).scope.stop(); }), scope(of) {}
        stop_scope& scope;
    };

    list_head entries_;
    child_entry in_parent_;
    bool stopped_ = false;
};

}  // namespace naru
