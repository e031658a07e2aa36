// A loop of the test's, for a server that is attached to it and for the server's clients.
#pragma once

#include "fixture.hpp"

#include <naru/http/client/client.hpp>
#include <naru/http/http.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace naru::testing {

class attached_fixture : public ::testing::TestWithParam<engine> {
 protected:
    void SetUp() override {
        uring_options ring;
        ring.sqpoll_idle_milliseconds = 1;
        backend_choice choice = try_backend(GetParam(), ring);
        if (choice.backend == nullptr) GTEST_SKIP() << name_of(GetParam()) << ": " << choice.reason;
        loop_ = std::make_unique<naru::loop>(std::move(choice.backend));
        options_.report = [this](std::string_view line) { reports_.emplace_back(line); };
    }

    /// The status and the body, or what went wrong.
    static task<std::string> text_of(http::client& by, std::string where) {
        auto answer = co_await by.get(std::move(where));
        if (!answer) co_return "no answer: " + answer.error().text();
        auto text = co_await answer->text();
        co_return text ? std::to_string(answer->status()) + " " + *text : "cut: " + text.error().text();
    }

    std::vector<std::string> reports_;
    std::unique_ptr<naru::loop> loop_;
    http::server_options options_;
};

}  // namespace naru::testing
