#include <load/process_tree.hpp>

#include <load/text_file.hpp>

#include <array>
#include <ctime>
#include <string>

#include <dirent.h>
#include <unistd.h>

#include <fmt/format.h>

namespace naru::load {

namespace {

// "Name:    1234 kB", wherever it stands in `text`.
std::uint64_t kilobytes_of(std::string_view text, std::string_view name) {
    for (std::size_t at = text.find(name); at != std::string_view::npos; at = text.find(name, at + 1)) {
        if ((at != 0 && text[at - 1] != '\n') || text.substr(at + name.size(), 1) != ":") continue;
        const std::size_t first = text.find_first_not_of(" \t", at + name.size() + 1);
        if (first == std::string_view::npos) return 0;
        return to_number(text.substr(first, text.find(' ', first) - first)).value_or(0);
    }
    return 0;
}

// "TCP: inuse 5 orphan 0 tw 2 alloc 7 mem 3", in pages.
std::uint64_t tcp_pages(std::string_view text) {
    const std::size_t line = text.find("TCP:");
    if (line == std::string_view::npos) return 0;
    constexpr std::string_view name = " mem ";
    const std::size_t at = text.find(name, line);
    if (at == std::string_view::npos) return 0;
    const std::string_view rest = text.substr(at + name.size());
    return to_number(rest.substr(0, rest.find('\n'))).value_or(0);
}

std::uint64_t kernel_bytes() {
    const std::string memory = read_whole("/proc/meminfo");
    std::uint64_t kilobytes = 0;
    for (const std::string_view each : {"Slab", "KernelStack", "PageTables", "SecPageTables"})
        kilobytes += kilobytes_of(memory, each);
    const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    return kilobytes * 1024 + tcp_pages(read_whole("/proc/net/sockstat")) * page;
}

duration on_cpu(int process) {
    clockid_t clock{};
    timespec used{};
    if (clock_getcpuclockid(process, &clock) != 0 || clock_gettime(clock, &used) != 0) return duration(0);
    return std::chrono::seconds(used.tv_sec) + duration(used.tv_nsec);
}

}  // namespace

// The name is in brackets and may contain anything: what follows the last one is words.
std::optional<process_line> parse_process_line(std::string_view text) {
    const std::size_t bracket = text.rfind(')');
    if (bracket == std::string_view::npos) return std::nullopt;
    text.remove_prefix(bracket + 1);
    std::array<std::string_view, 18> words;  // the state is the first; see proc(5), /proc/pid/stat, field 3
    for (std::string_view& each : words) {
        const std::size_t first = text.find_first_not_of(' ');
        if (first == std::string_view::npos) return std::nullopt;
        const std::size_t end = std::min(text.find_first_of(" \n", first), text.size());
        each = text.substr(first, end - first);
        text.remove_prefix(end);
    }
    const auto parent = to_number<int>(words[1]);
    const auto user = to_number(words[13]);
    const auto system = to_number(words[14]);
    const auto threads = to_number(words[17]);
    if (!parent || !user || !system || !threads) return std::nullopt;
    return process_line{*parent, *user + *system, *threads};
}

std::vector<int> process_tree(int root) {
    std::multimap<int, int> children;
    bool alive = false;
    DIR* const directory = opendir("/proc");
    if (directory == nullptr) return {};
    while (const dirent* entry = readdir(directory)) {
        const auto process = to_number<int>(entry->d_name);
        if (!process) continue;
        const auto line = parse_process_line(read_whole(fmt::format("/proc/{}/stat", *process)));
        if (!line) continue;
        children.emplace(line->parent, *process);
        alive = alive || *process == root;
    }
    closedir(directory);
    return alive ? descend_from(root, children) : std::vector<int>();
}

duration read_cpu_time(const std::vector<int>& tree) {
    duration all{0};
    for (const int process : tree)
        all += on_cpu(process);
    if (tree.empty()) return all;
    const auto line = parse_process_line(read_whole(fmt::format("/proc/{}/stat", tree.front())));
    if (!line) return all;
    const double tick = 1e9 / static_cast<double>(sysconf(_SC_CLK_TCK));
    return all + duration(static_cast<std::int64_t>(static_cast<double>(line->child_ticks) * tick));
}

process_memory read_memory(const std::vector<int>& tree) {
    process_memory all;
    all.kernel_bytes = kernel_bytes();  // first: the maps may take long
    for (const int process : tree) {
        const std::string map = read_whole(fmt::format("/proc/{}/smaps_rollup", process));
        all.user_bytes += (kilobytes_of(map, "Pss_Anon") + kilobytes_of(map, "Pss_Shmem")) * 1024;
    }
    return all;
}

std::uint64_t count_threads(const std::vector<int>& tree) {
    std::uint64_t all = 0;
    for (const int process : tree) {
        const auto line = parse_process_line(read_whole(fmt::format("/proc/{}/stat", process)));
        if (line) all += line->threads;
    }
    return all;
}

}  // namespace naru::load
