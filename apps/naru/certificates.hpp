// The certificates of naru serve: read at its start, and again when their files change.
#pragma once

#include <naru/http/server/tls_credentials.hpp>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace naru::program {

/// Without the certificates whose files are not there yet; with one that nobody vouches for, if none is.
tls_server_options those_that_are_there(tls_server_options how);

/// What is wrong with them, in a sentence; nothing: they can be shown.
std::optional<std::string> fault_of(const tls_server_options& how);

/// Looks at the files every second, in a thread of its own. A new certificate is shown once its key fits it;
/// one that is still broken after ten seconds is reported, and the old one stays. Also makes a new key for
/// session tickets now and then.
class certificates {
 public:
    using reporter = std::function<void(std::string_view)>;

    /// Throws std::runtime_error with one sentence that says what is wrong with which file. `may_come`: files
    /// that are not there are waited for, and meanwhile a certificate is shown that nobody vouches for.
    certificates(tls_server_options how, bool may_come, reporter report);
    ~certificates();
    certificates(const certificates&) = delete;
    certificates& operator=(const certificates&) = delete;

    const std::shared_ptr<http::tls_credentials>& credentials() const noexcept { return credentials_; }
    /// Reads the files again, whether they have changed or not. Any thread.
    void read_again() noexcept;

    /// Others, to take the place of these.
    struct others {
        tls_server_options how;
        tls_context made;
    };
    /// Reads them. Throws std::runtime_error as the constructor does; nothing has changed then.
    others read(tls_server_options how) const;
    void take(others by);

 private:
    std::string seen() const;
    tls_server_options present() const;
    void run() noexcept;
    void look();

    tls_server_options how_;
    const bool may_come_;
    reporter report_;
    std::shared_ptr<http::tls_credentials> credentials_;
    std::string seen_;      // of the files, as they are in use or were refused
    unsigned refused_ = 0;  // looks in a row
    std::mutex looking_;    // held while files are read or taken over; before mutex_
    std::mutex mutex_;
    std::condition_variable wake_;
    bool asked_ = false;
    bool ending_ = false;
    std::thread thread_;
};

}  // namespace naru::program
