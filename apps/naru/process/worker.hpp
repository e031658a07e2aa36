// A server that is a master's worker.
#pragma once

#include "channel.hpp"
#include "surroundings.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace naru::program {

class worker_process : public surroundings {
 public:
    /// Its ends of the two channels to the master.
    worker_process(unique_descriptor orders, unique_descriptor logs);
    /// Gives up what serving this does not need. Throws std::runtime_error.
    void confine(const serve_plan& plan);
    ~worker_process() override;

    void begin(std::function<void()> reopen) override { reopen_ = std::move(reopen); }
    void on_reload(std::function<void()> reload) override { reload_ = std::move(reload); }
    bool serves_elsewhere(const serve_plan* next) override;
    std::vector<http::endpoint> adopt(std::vector<http::endpoint> wanted) override;
    http::log_opener log_opener() override;
    void before_start() override;
    void is_ready() override;
    std::string wait(http::server& serving, const std::function<void()>& on_retire) override;
    void request(const char* why) noexcept override;
    void delay(std::chrono::milliseconds span) override { std::this_thread::sleep_for(span); }
    void is_draining() override;
    void wait_for_end(http::server& serving) override;

 private:
    void look_at_directories() noexcept;
    void prove_life(http::server& serving) noexcept;
    struct log_channel {
        std::mutex mutex;
        unique_descriptor end;
    };

    unique_descriptor orders_;
    std::shared_ptr<log_channel> logs_;
    unique_descriptor wake_;  // an eventfd
    std::atomic<const char*> own_request_{nullptr};
    std::atomic<bool> proving_{false};
    std::function<void()> reopen_;
    std::function<void()> reload_;
    bool confines_calls_ = true;
    std::vector<std::string> readable_;
    std::vector<std::string> logs_named_;  // to the master, which opens no others
    std::vector<std::pair<std::string, std::string>>
        seen_;              // which directories are at the paths that it may read
    std::thread retiring_;  // waits for the end of a server that has retired
};

}  // namespace naru::program
