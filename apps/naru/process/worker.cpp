#include "worker.hpp"

#include "listeners.hpp"
#include "master.hpp"
#include "sandbox.hpp"

#include "../log_settings.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <new>
#include <stdexcept>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

namespace naru::program {

namespace {

constexpr const char* has_ended = "";

const char* name_of_signal(int number) noexcept {
    switch (number) {
        case SIGINT:
            return "SIGINT";
        case SIGQUIT:
            return "SIGQUIT";
        default:
            return "SIGTERM";
    }
}

constexpr int look_milliseconds = 1000;

std::string directory_seen(const std::string& path) noexcept try {
    struct stat found{};
    if (::stat(path.c_str(), &found) != 0 || !S_ISDIR(found.st_mode)) return {};
    return fmt::format("{}.{}", found.st_dev, found.st_ino);
} catch (const std::bad_alloc&) {
    return {};
}

// A file is replaced by another in its directory, or in that of what a link leads to.
void add_file(std::vector<std::string>& readable, const std::string& path) {
    if (path.empty()) return;
    std::error_code refusal;
    const std::filesystem::path absolute = std::filesystem::absolute(path, refusal);
    readable.push_back(absolute.parent_path().string());
    const std::filesystem::path target = std::filesystem::canonical(absolute, refusal);
    if (!refusal) readable.push_back(target.parent_path().string());
}

sandbox_rules rules_of(const serve_plan& plan) {
    sandbox_rules rules;
    rules.user = plan.user;
    rules.confines_files = plan.confines_files;
    const auto add_directory = [&rules](const std::optional<std::string>& path) {
        if (path && !path->empty()) rules.readable.push_back(*path);
    };
    // Links that may lead anywhere are an operator's word that all may be read.
    const auto add_links = [&](const files_settings& of) {
        for (const std::string& each : of.symlink_target.value_or(std::vector<std::string>()))
            add_directory(each);
        if (of.symlinks == "any") add_directory("/");
    };
    add_directory(plan.root);
    add_directory(plan.acme_webroot);
    for (const std::string& each : plan.files.link_targets)
        add_directory(each);
    if (plan.files.links == directory_root::links::any) add_directory("/");
    const auto add_host = [&](const host_settings& host) {
        add_directory(host.root);
        add_links(host);
        for (const route_settings& each : host.routes) {
            add_directory(each.files);
            add_links(each);
        }
        if (host.client_ca) add_file(rules.readable, *host.client_ca);
    };
    add_host(plan.sites->others);
    for (const host_settings& each : plan.sites->hosts)
        add_host(each);
    for (const std::string& each : plan.readable)
        add_file(rules.readable, each);
    for (const tls_certificate& each : plan.tls.certificates) {
        for (const std::string& file : {each.chain_file, each.key_file, each.staple_file})
            add_file(rules.readable, file);
    }
    return rules;
}

}  // namespace

void worker_process::confine(const serve_plan& plan) {
    const sandbox_rules rules = rules_of(plan);
    readable_ = rules.readable;
    confines_calls_ = plan.confines_calls;
    logs_named_ = access_logs_of(plan);
    for (const std::string& each : readable_)
        seen_.emplace_back(each, directory_seen(each));
    for (const std::string& each : enter_sandbox(rules))
        say_or_lose(each);
}

bool worker_process::serves_elsewhere(const serve_plan* next) {
    const auto is_new = [this](const std::string& each) {
        return std::ranges::find(readable_, each) == readable_.end();
    };
    const auto is_new_log = [this](const std::string& each) {
        return std::ranges::find(logs_named_, each) == logs_named_.end();
    };
    if (next != nullptr && std::ranges::none_of(rules_of(*next).readable, is_new) &&
        std::ranges::none_of(access_logs_of(*next), is_new_log))
        return false;
    return send_message(orders_.get(), {message_kind::renew});
}

void worker_process::before_start() {
    for (const std::string& each : confines_calls_ ? confine_calls() : std::vector<std::string>())
        say_or_lose(each);
    (void)send_message(orders_.get(), {message_kind::sealed});
}

// Another directory may stand there by now, which this process cannot read: a fresh worker can.
void worker_process::look_at_directories() noexcept {
    for (const auto& [path, before] : seen_) {
        const std::string now = directory_seen(path);
        if (now.empty() || now == before) continue;
        (void)send_message(orders_.get(), {message_kind::renew});
        return;
    }
}

worker_process::worker_process(unique_descriptor orders, unique_descriptor logs)
    : orders_(std::move(orders)),
      logs_(std::make_shared<log_channel>()),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    logs_->end = std::move(logs);
    if (!wake_) throw std::runtime_error("there is no descriptor left to begin with");
}

worker_process::~worker_process() {
    if (retiring_.joinable()) retiring_.join();
}

std::vector<http::endpoint> worker_process::adopt(std::vector<http::endpoint> wanted) {
    return own_listeners().give(std::move(wanted));
}

http::log_opener worker_process::log_opener() {
    return [logs = logs_](const std::string& path) -> result<unique_descriptor> {
        const std::lock_guard one(logs->mutex);
        if (!send_message(logs->end.get(), {message_kind::open_log}, -1, path)) return fail_errno(EPIPE);
        auto answer = receive_message(logs->end.get());
        if (!answer || answer->what.kind != message_kind::opened) return fail_errno(EPIPE);
        if (answer->what.value != 0) return fail_errno(answer->what.value);
        if (!answer->descriptor) return fail_errno(EMFILE);
        return std::move(answer->descriptor);
    };
}

void worker_process::is_ready() { (void)send_message(orders_.get(), {message_kind::ready}); }

void worker_process::is_draining() { (void)send_message(orders_.get(), {message_kind::drains}); }

void worker_process::request(const char* why) noexcept {
    if (*why != '\0') (void)send_message(orders_.get(), {message_kind::ends, 1});
    own_request_.store(why, std::memory_order_release);
    const std::uint64_t one = 1;
    (void)::write(wake_.get(), &one, sizeof one);
}

// The master hears of it when each loop has come round: one that a handler holds up, and the rest of its
// clients with it, is as good as a process that hangs.
void worker_process::prove_life(http::server& serving) noexcept try {
    if (proving_.exchange(true)) return;
    serving.when_loops_turn([this] {
        proving_ = false;
        (void)send_message(orders_.get(), {message_kind::alive});
    });
} catch (const std::bad_alloc&) {
    proving_ = false;
}

std::string worker_process::wait(http::server& serving, const std::function<void()>& on_retire) {
    pollfd looked_at[] = {{wake_.get(), POLLIN, 0}, {orders_.get(), POLLIN, 0}};
    while (true) {
        const int seen = ::poll(looked_at, 2, retiring_.joinable() ? -1 : look_milliseconds);
        if (seen == 0) look_at_directories();
        if (seen <= 0) continue;
        if (looked_at[0].revents != 0) return own_request_.load(std::memory_order_acquire);
        if (looked_at[1].revents == 0) continue;
        const auto order = receive_message(orders_.get());
        if (!order) return "the master is gone";
        switch (order->what.kind) {
            case message_kind::end:
                return name_of_signal(order->what.value);
            case message_kind::reopen:
                // One that has retired serves what it did: the successor has read it again.
                order->what.value == SIGHUP&& reload_ && !retiring_.joinable() ? reload_() : reopen_();
                (void)send_message(orders_.get(), {message_kind::reloaded});
                break;
            case message_kind::is_alive:
                prove_life(serving);
                break;
            case message_kind::retire:
                if (retiring_.joinable()) break;
                on_retire();
                serving.retire();
                retiring_ = std::thread([this, &serving] {
                    serving.wait();
                    request(has_ended);
                });
                break;
            default:
                break;
        }
    }
}

void worker_process::wait_for_end(http::server& serving) {
    retiring_.joinable() ? retiring_.join() : serving.wait();
}

}  // namespace naru::program
