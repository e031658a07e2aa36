#include <naru/http/server/upgrade_log.hpp>

#include <algorithm>
#include <chrono>
#include <new>
#include <utility>

namespace naru::http {

namespace {

std::size_t kind_of(handle of) noexcept { return loop::names_layer(of) ? 1 : 0; }

}  // namespace

upgrade_log::~upgrade_log() { end_all(); }

void upgrade_log::follow(handle connection, answer_record& answer, std::size_t ahead) noexcept {
    answer.from = ahead;
    answer.body = 0;
    auto& all = by_slot_[kind_of(connection)];
    const std::size_t slot = loop::place_of(connection);
    try {
        if (all.size() <= slot) all.resize(std::max<std::size_t>(slot + 1, 2 * all.size()));
    } catch (const std::bad_alloc&) {
        return end(answer);
    }
    if (all[slot].answer != nullptr) stop_following(all[slot]);
    all[slot] = {connection.generation, &answer};
    if (++count_ == 1) loop_.watch_completions(*this);
}

upgrade_log::followed* upgrade_log::find(handle of) noexcept {
    auto& all = by_slot_[kind_of(of)];
    const std::size_t slot = loop::place_of(of);
    if (slot >= all.size() || all[slot].answer == nullptr || all[slot].generation != of.generation)
        return nullptr;
    return &all[slot];
}

void upgrade_log::completed(const operation& op) noexcept {
    const auto gone = [&op] { return std::max(op.progress, static_cast<std::uint64_t>(op.result)); };
    switch (op.kind) {
        case operation_kind::recv:
        case operation_kind::recv_into:
            if (op.result <= 0) return;
            if (followed* const one = find(op.target))
                one->answer->from += static_cast<std::uint64_t>(op.result);
            return;
        case operation_kind::send:
        case operation_kind::send_file:
            if (followed* const one = find(op.target))
                one->answer->body += op.result > 0 ? gone() : op.progress;
            return;
        case operation_kind::close:
        case operation_kind::release:
            if (followed* const one = find(op.target)) stop_following(*one);
            return;
        default:
            return;
    }
}

void upgrade_log::stop_following(followed& one) noexcept {
    if (--count_ == 0) loop_.end_watching(*this);
    end(*std::exchange(one.answer, nullptr));
}

void upgrade_log::end(answer_record& answer) noexcept {
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(loop_.now() - answer.began);
    access_entry entry;
    entry.status = answer.status;
    entry.bytes = answer.body;
    entry.sent = answer.head + answer.body;
    entry.received = answer.from;
    entry.is_upgraded = true;
    entry.microseconds = took.count();
    to_.end(entry, answer);
    records_.give_back(answer);
}

void upgrade_log::end_all() noexcept {
    for (auto& all : by_slot_) {
        for (followed& one : all) {
            if (one.answer != nullptr) stop_following(one);
        }
    }
}

}  // namespace naru::http
