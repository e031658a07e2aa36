// Fetches URLs, all at once: http_fetch [--engine NAME] [--connections N] [--timeout SECONDS] [--output DIR]
// URL...
//
// A line on standard output for each that came whole: status, bytes, URL. A line on standard error for each
// that did not, and exit status 1. Any status is an answer; one of 400 or more counts as a failure. Progress
// goes to standard error where that is a terminal, or with --progress. With --output the bodies become files
// of DIR, named 1, 2, ... in the order of the URLs; half of one is never left behind there.
#include <naru/http/client/client.hpp>
#include <naru/naru.hpp>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#if !defined(_WIN32)
#include <unistd.h>
#endif

namespace {

struct settings {
    std::string engine = "auto";
    std::size_t connections = naru::http::limits::client_connections;
    long timeout = 0;  // seconds; 0: none
    std::string output;
    bool progress = false;
    std::vector<std::string> urls;
};

struct state {
    const settings& chosen;
    std::uint64_t bytes = 0;
    std::size_t ended = 0;
    std::size_t failed = 0;
    std::size_t line = 0;  // bytes of progress that stand in the terminal's line
};

void clear_progress(state& of) {
    if (of.line > 0) std::fprintf(stderr, "\r%*s\r", static_cast<int>(of.line), "");
    of.line = 0;
}

void show_progress(state& of) {
    clear_progress(of);
    const int shown =
        std::fprintf(stderr, "%zu of %zu, %zu failed, %llu bytes", of.ended, of.chosen.urls.size(), of.failed,
                     static_cast<unsigned long long>(of.bytes));
    if (shown > 0) of.line = static_cast<std::size_t>(shown);
    std::fflush(stderr);
}

struct close_file {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};

/// A body on its way to a file of another name, which it gets when it is whole.
class output_file {
 public:
    output_file(const std::string& directory, std::size_t number) {
        if (directory.empty()) return;
        name_ = std::filesystem::path(directory) / std::to_string(number);
        file_.reset(std::fopen(part().string().c_str(), "wb"));
        if (!file_) throw std::system_error(errno, std::generic_category(), part().string());
    }
    ~output_file() {
        if (!file_) return;
        file_.reset();
        std::error_code ignored;
        std::filesystem::remove(part(), ignored);
    }
    output_file(const output_file&) = delete;
    output_file& operator=(const output_file&) = delete;

    void write(naru::bytes_view piece) {
        if (file_ && std::fwrite(piece.data(), 1, piece.size(), file_.get()) != piece.size())
            throw std::system_error(errno, std::generic_category(), part().string());
    }
    void keep() {
        if (!file_) return;
        if (std::fclose(file_.release()) != 0)
            throw std::system_error(errno, std::generic_category(), part().string());
        std::filesystem::rename(part(), name_);
    }

 private:
    std::filesystem::path part() const { return name_.string() + ".part"; }
    std::filesystem::path name_;
    std::unique_ptr<std::FILE, close_file> file_;
};

// Returns what went wrong; nothing if nothing did.
naru::task<std::string> fetch(naru::http::client& client, state& of, std::size_t index) {
    const std::string& url = of.chosen.urls[index];
    auto answer = co_await client.get(url);
    if (!answer) co_return answer.error().text();
    output_file file(of.chosen.output, index + 1);
    std::uint64_t bytes = 0;
    auto take = [&](naru::bytes_view piece) {
        file.write(piece);
        bytes += piece.size();
        of.bytes += piece.size();
    };
    auto whole = co_await answer->for_each(take);
    if (!whole) co_return whole.error().text();
    if (answer->status() >= 400) co_return answer->url() + ": status " + std::to_string(answer->status());
    file.keep();
    clear_progress(of);
    std::printf("%u %llu %s\n", answer->status(), static_cast<unsigned long long>(bytes), url.c_str());
    std::fflush(stdout);
    co_return std::string();
}

naru::task<> fetch_one(naru::http::client& client, state& of, std::size_t index) {
    std::string failure;
    try {
        failure = co_await fetch(client, of, index);
    } catch (const std::exception& thrown) {
        failure = of.chosen.urls[index] + ": " + thrown.what();
    }
    ++of.ended;
    if (failure.empty()) co_return;
    ++of.failed;
    clear_progress(of);
    std::fprintf(stderr, "http_fetch: %s\n", failure.c_str());
}

naru::task<> show(state& of) {
    while (of.chosen.progress && of.ended < of.chosen.urls.size()) {
        show_progress(of);
        const auto slept = co_await naru::sleep_for(std::chrono::milliseconds(200));  // named for GCC 12
        if (!slept) co_return;
    }
}

naru::task<> fetch_all(naru::loop& loop, state& of) {
    naru::http::client_options options;
    options.connections = of.chosen.connections;
    options.waiting_requests = of.chosen.urls.size();
    options.timeouts.wait = naru::duration::max();  // each has its turn, whenever that is
    if (of.chosen.timeout > 0) options.timeouts.total = std::chrono::seconds(of.chosen.timeout);
    naru::http::client client(loop, options);
    auto body = [&](naru::task_group& group) -> naru::task<> {
        if (of.chosen.progress) group.spawn(show(of));
        auto fetches = [&](naru::task_group& all) -> naru::task<> {
            for (std::size_t each = 0; each < of.chosen.urls.size(); ++each)
                all.spawn(fetch_one(client, of, each));
            co_return;
        };
        (void)co_await naru::with_group(fetches);
        group.stop();  // nothing is left to show
    };
    (void)co_await naru::with_group(body);
    if (of.chosen.progress) show_progress(of), std::fputc('\n', stderr);
}

constexpr const char* usage =
    "usage: http_fetch [--engine NAME] [--connections N] [--timeout SECONDS] [--output DIR] [--progress] "
    "URL...";

long number_of(const char* flag, const char* text, long most) {
    char* end = nullptr;
    const long number = std::strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || number < 1 || number > most)
        throw std::runtime_error(std::string(flag) + ": a number from 1 to " + std::to_string(most));
    return number;
}

settings settings_of(int count, char** arguments) {
    settings chosen;
#if !defined(_WIN32)
    chosen.progress = isatty(STDERR_FILENO) != 0;
#endif
    for (int each = 1; each < count; ++each) {
        const std::string_view name = arguments[each];
        if (!name.starts_with("--")) {
            chosen.urls.emplace_back(name);
            continue;
        }
        if (name == "--progress") {
            chosen.progress = true;
            continue;
        }
        if (each + 1 == count) throw std::runtime_error(usage);
        const char* const value = arguments[++each];
        if (name == "--engine") {
            chosen.engine = value;
        } else if (name == "--connections") {
            chosen.connections = static_cast<std::size_t>(number_of("--connections", value, 10'000));
        } else if (name == "--timeout") {
            chosen.timeout = number_of("--timeout", value, 86'400);
        } else if (name == "--output") {
            chosen.output = value;
        } else {
            throw std::runtime_error(usage);
        }
    }
    if (chosen.urls.empty()) throw std::runtime_error(usage);
    return chosen;
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc == 2 && std::string_view(argv[1]) == "--help") return std::puts(usage) < 0 ? 1 : 0;
    const settings chosen = settings_of(argc, argv);
    const auto engine = naru::engine_named(chosen.engine);
    if (!engine) throw std::runtime_error("no such engine: " + chosen.engine);
    if (!chosen.output.empty()) std::filesystem::create_directories(chosen.output);
    naru::loop loop(naru::choose_backend(*engine));
    state all{chosen};
    naru::run(loop, fetch_all(loop, all));
    return all.failed == 0 ? 0 : 1;
} catch (const std::exception& error) {
    std::fprintf(stderr, "http_fetch: %s\n", error.what());
    return 2;
}
