// Small coroutines, and notes of when something in them ended.
#pragma once

#include <naru/naru.hpp>

#include <string>
#include <utility>
#include <vector>

namespace naru::testing {

/// Whether a sanitizer looks on: what is run a million times is run less often then.
constexpr bool sanitized() noexcept {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return true;
#endif
#endif
    return false;
}

/// Writes a line when what holds it has gone.
class end_note {
 public:
    end_note(std::vector<std::string>& log, std::string text) : log_(&log), text_(std::move(text)) {}
    end_note(end_note&& other) noexcept
        : log_(std::exchange(other.log_, nullptr)), text_(std::move(other.text_)) {}
    end_note& operator=(end_note&&) = delete;
    ~end_note() {
        if (log_ != nullptr) log_->push_back(text_);
    }

 private:
    std::vector<std::string>* log_;
    std::string text_;
};

inline task<result<void>> sleep_task(duration span) { co_return co_await sleep_for(span); }
inline task<> yield_once() { co_await yield(); }
template <class T>
task<T> value_after(duration span, T value) {
    (void)co_await sleep_for(span);
    co_return value;
}

}  // namespace naru::testing
