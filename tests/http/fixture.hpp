// The fixture of the server tests: a directory of files and a server on the engine under test.
#pragma once

#include "client.hpp"

#include <naru/backend/choose_backend.hpp>
#include <naru/backend/uring/options.hpp>
#include <naru/http/server/server.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace naru {
inline void PrintTo(engine each, std::ostream* out) { *out << name_of(each); }
}  // namespace naru

namespace naru::testing {

/// A directory that is gone with this object.
class temporary_directory {
 public:
    temporary_directory() {
        static std::atomic<int> number = 0;
        path_ = std::filesystem::temp_directory_path() /
                ("naru-http-" + std::to_string(process_number()) + "-" + std::to_string(++number));
        std::filesystem::create_directory(path_);
    }
    ~temporary_directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    temporary_directory(const temporary_directory&) = delete;
    temporary_directory& operator=(const temporary_directory&) = delete;

    const std::filesystem::path& path() const { return path_; }

    /// Puts a file there in one step, as a careful editor would, with directories as needed.
    void write(const std::string& name, std::string_view text) const {
        const std::filesystem::path target = path_ / name;
        std::filesystem::create_directories(target.parent_path());
        const std::filesystem::path fresh = path_.string() + ".fresh";
        {
            std::ofstream file(fresh, std::ios::binary);
            file << text;
        }
        std::error_code refusal;
        std::filesystem::rename(fresh, target, refusal);
        if (!refusal) return;
        // Windows does not replace a file that is open: it is written over.
        std::filesystem::remove(fresh);
        std::ofstream(target, std::ios::binary) << text;
    }
    void touch(const std::string& name, std::int64_t unix_seconds) const {
        const std::chrono::sys_seconds when{std::chrono::seconds(unix_seconds)};
        std::filesystem::last_write_time(path_ / name, std::chrono::file_clock::from_sys(when));
    }

 private:
    std::filesystem::path path_;
};

/// A request without a body. `fields`: complete lines.
inline std::string request(std::string_view method, std::string_view target, std::string_view fields = {}) {
    std::string text(method);
    text.append(" ").append(target).append(" HTTP/1.1\r\nHost: test\r\n").append(fields).append("\r\n");
    return text;
}
inline std::string get(std::string_view target, std::string_view fields = {}) {
    return request("GET", target, fields);
}

inline std::string engine_test_name(const ::testing::TestParamInfo<engine>& each) {
    std::string name(name_of(each.param));
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
}

/// A server of files, and where it is.
struct served_options : http::server_options {
    std::string root = ".";
    std::vector<http::endpoint> listen;
    bool listings = false;
    bool dotfiles = false;
    directory_root::links links = directory_root::links::inside;
    std::vector<std::string> link_targets;
    std::chrono::milliseconds disk_time{10'000};
    std::uint64_t hash_up_to = http::limits::hashed_file_bytes;
    std::vector<http::content_type> types;
    std::string fallback;

    http::site site() const {
        http::site made;
        made.mount("/", http::files(root, {.listings = listings,
                                           .dotfiles = dotfiles,
                                           .links = links,
                                           .link_targets = link_targets,
                                           .disk_time = disk_time,
                                           .hash_up_to = hash_up_to,
                                           .types = types,
                                           .fallback = fallback}));
        return made;
    }
};

inline std::unique_ptr<http::server> make_server(const served_options& options,
                                                 std::function<void(std::string_view)> report) {
    http::server_options own = options;
    own.report = std::move(report);
    return std::make_unique<http::server>(options.site(), options.listen, std::move(own));
}

class http_server_test : public ::testing::TestWithParam<engine> {
 protected:
    static constexpr std::string_view hello = "Hello, ferry.\n";
    static constexpr std::int64_t hello_time = 1'614'834'367;
    static constexpr std::string_view hello_date = "Thu, 04 Mar 2021 05:06:07 GMT";

    void SetUp() override {
        if (const backend_choice choice = try_backend(GetParam()); choice.backend == nullptr) {
            GTEST_SKIP() << name_of(GetParam()) << ": " << choice.reason;
        }
        descriptors_before_ = open_descriptors();
        files_.write("hello.txt", hello);
        files_.touch("hello.txt", hello_time);
        options_.root = files_.path().string();
        options_.listen = {{"127.0.0.1:0"}};
        options_.engine = GetParam();
        options_.engine_options = engine_options(backend_options::direct::near_limit);
    }

    static std::shared_ptr<const backend_options> engine_options(backend_options::direct mode) {
        uring_options chosen;
        chosen.sqpoll_idle_milliseconds = 1;  // leave the cores to the tests
        chosen.direct_descriptors = mode;
        return std::make_shared<const uring_options>(chosen);
    }

    void TearDown() override {
        stop();
        if (IsSkipped()) return;
        EXPECT_TRUE(eventually([this] { return open_descriptors() <= descriptors_before_; }))
            << open_descriptors() << " descriptors, " << descriptors_before_ << " before";
    }

    /// Starts the server with options_.
    void start() {
        server_ = make_server(options_, [this](std::string_view line) {
            const std::lock_guard lock(mutex_);
            reports_.emplace_back(line);
        });
        server_->start();
    }
    /// Starts a server of another site with them.
    void start(http::site site) {
        http::server_options own = options_;
        own.report = [this](std::string_view line) {
            const std::lock_guard lock(mutex_);
            reports_.emplace_back(line);
        };
        server_ = std::make_unique<http::server>(std::move(site), options_.listen, std::move(own));
        server_->start();
    }
    void stop() { server_.reset(); }

    client connect(int receive_buffer = 0) { return client(server_->local_address(), receive_buffer); }
    /// On a connection of its own.
    response ask(std::string_view text, bool to_head = false) { return connect().ask(text, to_head); }
    /// Whether a new client is served.
    bool answers() { return ask(get("/hello.txt")).body == hello; }

    std::vector<std::string> reports() {
        const std::lock_guard lock(mutex_);
        return reports_;
    }

    temporary_directory files_;
    served_options options_;
    std::unique_ptr<http::server> server_;

 private:
    std::size_t descriptors_before_ = 0;
    std::mutex mutex_;
    std::vector<std::string> reports_;
};

}  // namespace naru::testing

/// Runs the tests of a suite (a class derived from naru::testing::http_server_test) on every engine.
#define NARU_ON_EVERY_ENGINE(suite)                                                      \
    INSTANTIATE_TEST_SUITE_P(                                                            \
        OnEveryEngine, suite,                                                            \
        ::testing::ValuesIn(::naru::all_engines().begin(), ::naru::all_engines().end()), \
        ::naru::testing::engine_test_name)
