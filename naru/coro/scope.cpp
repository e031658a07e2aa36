#include <naru/coro/scope.hpp>

#include <vector>

namespace naru {

void stop_scope::chain(stop_scope& parent) noexcept {
    parent_ = &parent;
    root_ = parent.root_;
    if (parent.stopped_) {
        stopped_ = true;
    } else {
        parent.entries_.push_back(*this);
    }
}

// Scopes beneath this one give their entries to the list that is worked through: no recursion.
void stop_scope::stop() noexcept {
    if (stopped_) return;
    stopped_ = true;
    list_head due;
    due.take_all(entries_);
    while (list_node* node = due.pop_front()) {
        auto& each = static_cast<stop_entry&>(*node);
        if (each.on_stop != nullptr) {
            each.on_stop(each);
            continue;
        }
        auto& scope = static_cast<stop_scope&>(each);
        scope.stopped_ = true;
        due.take_all(scope.entries_);
    }
}

bool stop_scope::within(const stop_scope& other) const noexcept {
    for (const stop_scope* each = this; each != nullptr; each = each->parent_) {
        if (each == &other) return true;
    }
    return false;
}

void detail::scope_access::for_each(const stop_scope& top, void (*visit)(void* context, stop_entry& each),
                                    void* context) {
    std::vector<const stop_scope*> scopes{&top};
    while (!scopes.empty()) {
        const stop_scope& scope = *scopes.back();
        scopes.pop_back();
        for (list_node* node = scope.entries_.next_node; node != &scope.entries_; node = node->next_node) {
            auto& each = static_cast<stop_entry&>(*node);
            if (each.on_stop != nullptr) {
                visit(context, each);
            } else {
                scopes.push_back(&static_cast<stop_scope&>(each));
            }
        }
    }
}

}  // namespace naru
