#include <naru/backend/choose_backend.hpp>

#include <naru/backend/make_backend.hpp>
#include <naru/loop/environment.hpp>
#include <naru/os/system_calls.hpp>

#include <algorithm>
#include <exception>
#include <new>
#include <stdexcept>
#include <utility>

namespace naru {

namespace {

bool is_offered(engine which) noexcept {
    const auto offered = all_engines();
    return which == engine::automatic || std::find(offered.begin(), offered.end(), which) != offered.end();
}

}  // namespace

std::string engine_names() {
    std::string sentence;
    std::string_view last = name_of(engine::automatic);
    for (const engine each : all_engines()) {
        sentence.append(sentence.empty() ? "" : ", ").append(last);
        last = name_of(each);
    }
    return sentence.append(" or ").append(last);
}

namespace {

backend_choice try_one(engine which, const backend_options& options, unsigned index) {
    backend_choice choice;
    if (which == engine::automatic) {
        std::string why_not;  // of the better ones
        for (const engine each : automatic_order()) {
            choice = try_one(each, options, index);
            if (choice.backend == nullptr) {
                why_not = std::move(choice.reason);
                continue;
            }
            if (!why_not.empty()) choice.reason = std::move(why_not);
            if (choice.reason.empty()) choice.reason = std::string(name_of(each)) + " works here";
            return choice;
        }
        choice.reason = std::move(why_not);
        return choice;
    }
    choice.chosen = which;
    if (!is_offered(which)) {
        choice.reason = "it is not an engine of this system";
        return choice;
    }
    try {
        choice.backend = make_backend(which, options, index, choice);
    } catch (const std::exception& refusal) {
        choice.reason = refusal.what();
    }
    if (choice.backend == nullptr && which == engine::io_uring_sqpoll) {
        const std::string why_not = std::move(choice.reason);
        choice = try_one(engine::io_uring, options, index);
        if (choice.backend != nullptr) choice.reason = "without SQPOLL: " + why_not;
    }
    return choice;
}

}  // namespace

backend_choice choose_of_the_systems(engine which, const backend_options& options, unsigned index) noexcept {
    system_calls::ignore_sigpipe();
    try {
        return try_one(which, options, index);
    } catch (const std::bad_alloc&) {  // for the text of a reason
        backend_choice none;
        none.chosen = which;
        none.reason = "out of memory";  // short enough for a string without any
        return none;
    }
}

backend_choice try_backend(engine which, const backend_options& options) noexcept {
    return environment::current().make_backend(which, options);
}

std::unique_ptr<backend> choose_backend(engine which, const backend_options& options) {
    backend_choice choice = try_backend(which, options);
    if (choice.backend == nullptr) {
        throw std::runtime_error("the engine " + std::string(name_of(which)) +
                                 " cannot be used: " + choice.reason);
    }
    return std::move(choice.backend);
}

}  // namespace naru
