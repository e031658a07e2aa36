// Asking coroutines to end: a scope is stopped, and everything awaited within it is cancelled and ends with
// operation_canceled (or with the result it already had: a stop is a request, see loop/operation.hpp).
#pragma once

#include <naru/core/check.hpp>
#include <naru/core/intrusive.hpp>

namespace naru {

class loop;

/// Something to cancel. Leaves its scope by unlink(), or when it is called.
struct stop_entry : list_node {
    using function = void (*)(stop_entry&) noexcept;
    explicit stop_entry(function stop) noexcept : on_stop(stop) {}
    function on_stop;  ///< resumes nothing; nullptr says that the entry is a scope
};

namespace detail {

class root;
struct scope_access;

}  // namespace detail

/// A tree: stopping a scope stops its children, and never its parent. Each coroutine runs in a scope, which
/// it inherits from whoever awaits or spawns it; scopes chain and do not replace each other. Belongs to one
/// loop's thread; to stop from another, post, or see stop_token.hpp. Must outlive what runs in it.
class stop_scope : private stop_entry {
 public:
    stop_scope() noexcept : stop_entry(nullptr) {}
    /// A child of `parent`, if there is one: stopped already if the parent is.
    explicit stop_scope(stop_scope* parent) noexcept : stop_scope() {
        if (parent != nullptr) chain(*parent);
    }
    ~stop_scope() {
        if (linked()) unlink();
        if (!entries_.empty()) fatal("bug: a stop_scope ended before what runs in it; it must outlive that");
    }

    bool stopped() const noexcept { return stopped_; }

    /// Cancels all that is in the scope and in those beneath it, and whatever enters them later. Nothing is
    /// resumed from here, and the depth of the tree costs no stack.
    void stop() noexcept;

    /// Calls the entry at once if the scope has been stopped already.
    void add(stop_entry& each) noexcept {
        if (stopped_) {
            each.on_stop(each);
        } else {
            entries_.push_back(each);
        }
    }

    /// Whether this is `other`, or lies beneath it.
    bool within(const stop_scope& other) const noexcept;

 private:
    friend class detail::root;
    friend struct detail::scope_access;

    void chain(stop_scope& parent) noexcept;
    /// Beneath `parent`, but not stopped with it.
    void shield(stop_scope& parent) noexcept {
        parent_ = &parent;
        root_ = parent.root_;
    }

    list_head entries_;
    stop_scope* parent_ = nullptr;
    detail::root* root_ = nullptr;  // none in a scope that stands by itself
    bool stopped_ = false;
};

namespace detail {

/// For the awaiters of this folder.
struct scope_access {
    static void chain(stop_scope& scope, stop_scope& parent) noexcept { scope.chain(parent); }
    static void shield(stop_scope& scope, stop_scope& parent) noexcept { scope.shield(parent); }
    static root& root_of(const stop_scope& scope) noexcept { return *scope.root_; }
    /// Calls `visit` with every entry in and beneath `top`. Allocates; for what is rare.
    static void for_each(const stop_scope& top, void (*visit)(void* context, stop_entry& each),
                         void* context);
};

}  // namespace detail

}  // namespace naru
