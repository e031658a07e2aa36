// A server that is a process of its own.
#pragma once

#include "surroundings.hpp"

#include "../system.hpp"

#include <optional>
#include <thread>
#include <utility>

namespace naru::program {

class alone : public surroundings {
 public:
    void begin(std::function<void()> reopen) override { ending_.emplace(std::move(reopen)); }
    void on_reload(std::function<void()> reload) override { ending_->on_reload(std::move(reload)); }
    std::vector<http::endpoint> adopt(std::vector<http::endpoint> wanted) override { return wanted; }
    void is_ready() override {}
    std::string wait(http::server& /*serving*/, const std::function<void()>& /*on_retire*/) override {
        return ending_->wait();
    }
    void request(const char* why) noexcept override { ending_->request(why); }
    void delay(std::chrono::milliseconds span) override {
        ending_->end_at_once_next_time();
        std::this_thread::sleep_for(span);
    }
    void is_draining() override {}

 private:
    std::optional<ending> ending_;
};

}  // namespace naru::program
