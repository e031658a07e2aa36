#include "certificates.hpp"

#include <cerrno>
#include <chrono>
#include <exception>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include <sys/stat.h>

namespace naru::program {

namespace {

constexpr std::chrono::seconds between_looks{1};
constexpr unsigned looks_at_a_broken_one = 10;
constexpr std::chrono::hours ticket_key_age{8};

tls_context made_of(const tls_server_options& how) {
    auto made = tls_context::server(how);
    if (!made) throw std::runtime_error(made.error());
    return std::move(*made);
}

bool is_missing(const std::string& file) {
    struct stat found = {};
    return ::stat(file.c_str(), &found) != 0 && errno == ENOENT;
}

}  // namespace

tls_server_options those_that_are_there(tls_server_options how) {
    if (!how.self_signed.empty()) return how;
    std::erase_if(how.certificates, [](const tls_certificate& each) {
        return is_missing(each.chain_file) || is_missing(each.key_file);
    });
    if (how.certificates.empty()) how.self_signed = {"localhost"};
    return how;
}

std::optional<std::string> fault_of(const tls_server_options& how) {
    const auto made = tls_context::server(how);
    return made ? std::nullopt : std::optional(made.error());
}

certificates::certificates(tls_server_options how, bool may_come, reporter report)
    : how_(std::move(how)), may_come_(may_come), report_(std::move(report)) {
    if (!how_.ticket_keys) how_.ticket_keys = std::make_shared<tls_ticket_keys>();
    seen_ = seen();
    credentials_ = std::make_shared<http::tls_credentials>(made_of(present()));
    if (present().certificates.size() < how_.certificates.size())
        report_("certificates that are not there yet are waited for");
    thread_ = std::thread([this] { run(); });
}

certificates::~certificates() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    wake_.notify_one();
    thread_.join();
}

void certificates::read_again() noexcept {
    {
        const std::lock_guard lock(mutex_);
        asked_ = true;
    }
    wake_.notify_one();
}

certificates::others certificates::read(tls_server_options how) const {
    how.ticket_keys = how_.ticket_keys;
    tls_context made = made_of(may_come_ ? those_that_are_there(how) : how);
    return {std::move(how), std::move(made)};
}

tls_server_options certificates::present() const { return may_come_ ? those_that_are_there(how_) : how_; }

void certificates::take(others by) {
    const std::lock_guard lock(looking_);
    how_ = std::move(by.how);
    credentials_->replace(std::move(by.made));
    seen_ = seen();
    refused_ = 0;
}

/// What changes when a file does.
std::string certificates::seen() const {
    std::string all;
    for (const tls_certificate& each : how_.certificates) {
        for (const std::string& file : {each.chain_file, each.key_file, each.staple_file}) {
            struct stat found = {};
            if (file.empty() || ::stat(file.c_str(), &found) != 0) {
                all += "-;";
            } else {
                all += fmt::format("{}.{}.{}.{}.{};", found.st_dev, found.st_ino, found.st_size,
                                   found.st_mtim.tv_sec, found.st_mtim.tv_nsec);
            }
        }
    }
    return all;
}

void certificates::run() noexcept {
    auto next_key = std::chrono::steady_clock::now() + ticket_key_age;
    std::unique_lock lock(mutex_);
    while (!ending_) {
        wake_.wait_for(lock, between_looks, [this] { return ending_ || asked_; });
        if (ending_) return;
        const bool asked = std::exchange(asked_, false);
        lock.unlock();
        try {
            const std::lock_guard looking(looking_);
            if (asked) {
                seen_ = "asked";
                refused_ = 0;
            }
            look();
            if (std::chrono::steady_clock::now() > next_key) {
                how_.ticket_keys->rotate();
                next_key += ticket_key_age;
            }
        } catch (const std::exception&) {  // out of memory, or of random bytes: the next look may have them
        }
        lock.lock();
    }
}

void certificates::look() {
    std::string now = seen();
    if (now == seen_ && refused_ == 0) return;
    if (now != seen_) refused_ = 0;
    seen_ = now;
    auto made = tls_context::server(present());
    if (made && seen() == now) {
        refused_ = 0;
        credentials_->replace(std::move(*made));
        return report_("the certificates have been read again");
    }
    if (made || ++refused_ < looks_at_a_broken_one) {  // perhaps the other file of a pair is still to come
        if (made) refused_ = 1;
        return;
    }
    refused_ = 0;
    report_(fmt::format("{}; the certificates that were read before stay", made.error()));
}

}  // namespace naru::program
