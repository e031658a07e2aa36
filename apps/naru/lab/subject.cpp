#include <lab/subject.hpp>

#include <lab/handler.hpp>
#include <lab/model.hpp>
#include <load/process_tree.hpp>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

#include <unistd.h>

#include <fmt/format.h>

namespace naru::lab {

namespace {

using namespace std::chrono_literals;
namespace files = std::filesystem;

constexpr auto start_patience = 10s;
constexpr std::size_t other_descriptors = 500;
constexpr std::uint32_t spare_connections = 100;
constexpr auto settle_interval = 100ms;

void write_file(const std::string& path, std::string_view text) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << text;
    file.close();
    if (!file) throw std::runtime_error(fmt::format("cannot write {}", path));
}

// It allocates and touches memory for all of worker_connections at its start: no more than are needed.
std::string nginx_configuration(const workplace& at, const std::string& directory, std::uint16_t port,
                                std::uint32_t connections) {
    std::string temporary;
    for (const char* each : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"})
        temporary += fmt::format("    {}_temp_path {}/{};\n", each, directory, each);
    return fmt::format(R"({}daemon off;
worker_processes 1;
worker_rlimit_nofile {};
pid {}/nginx.pid;
error_log {}/error.log error;
events {{
    use epoll;
    worker_connections {};
}}
http {{
    access_log off;
    sendfile on;
    tcp_nodelay on;
    open_file_cache max=1000 inactive=1h;
    open_file_cache_valid 1h;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    default_type application/octet-stream;
{}    server {{
        listen 127.0.0.1:{} backlog=4096;
        root {};
    }}
}}
)",
                       geteuid() == 0 ? "user root;\n" : "", at.descriptors, directory, directory,
                       connections + spare_connections, temporary, port, at.root());
}

std::string h2o_configuration(const workplace& at, const std::string& directory, std::uint16_t port) {
    return fmt::format(R"({}num-threads: 1
max-connections: {}
http1-request-timeout: 3600
http1-upgrade-to-http2: OFF
pid-file: {}/h2o.pid
error-log: {}/error.log
listen:
  host: 127.0.0.1
  port: {}
hosts:
  default:
    paths:
      "/":
        file.dir: {}
        file.send-compressed: OFF
)",
                       geteuid() == 0 ? "user: root\n" : "", at.descriptors - other_descriptors, directory,
                       directory, port, at.root());
}

// prefork: a process for each of 1,024 connections. event: 1,600 threads, and connections that wait do not
// hold one.
std::string apache_configuration(std::string_view mpm, const workplace& at, const std::string& directory,
                                 std::uint16_t port) {
    const std::string_view workers =
        mpm == "prefork" ? "StartServers 1024\nMaxSpareServers 1024\nServerLimit 1024\n"
                           "MaxRequestWorkers 1024\n"
                         : "StartServers 16\nMaxSpareThreads 1600\nServerLimit 25\nThreadsPerChild 64\n"
                           "MaxRequestWorkers 1600\nAsyncRequestWorkerFactor 12\n";
    return fmt::format(R"(ServerRoot {0}
ServerName localhost
PidFile {0}/apache.pid
DefaultRuntimeDir {0}
Mutex pthread
ErrorLog {0}/error.log
LogLevel error
LoadModule mpm_{1}_module /usr/lib/apache2/modules/mod_mpm_{1}.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
Listen 127.0.0.1:{2}
ListenBacklog 4096
{3}MaxConnectionsPerChild 0
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 600
DocumentRoot {4}
<Directory {4}>
    Require all granted
    AllowOverride None
</Directory>
)",
                       directory, mpm, port, workers, at.root());
}

command server_command(const subject& which, const workplace& at, std::uint16_t port,
                       std::uint32_t connections) {
    const std::string directory = at.directory + "/" + which.name;
    files::create_directories(directory);
    if (which.name.starts_with("naru-")) {
        return {
            {at.program, "serve", at.root(), "--listen", fmt::format("127.0.0.1:{}", port), "--engine",
             which.name.substr(5), "--threads", "1", "--keep-alive-timeout", "3600", "--head-timeout", "600"},
            at.server_cores};
    }
    const std::string configuration = directory + "/configuration";
    if (which.name == "nginx") {
        write_file(configuration, nginx_configuration(at, directory, port, connections));
        return {{find_program("nginx"), "-p", directory, "-e", directory + "/error.log", "-c", configuration},
                at.server_cores};
    }
    if (which.name == "h2o") {
        write_file(configuration, h2o_configuration(at, directory, port));
        return {{find_program("h2o"), "-m", "worker", "-c", configuration}, at.server_cores};
    }
    write_file(configuration, apache_configuration(which.name == "apache-prefork" ? "prefork" : "event", at,
                                                   directory, port));
    return {{find_program("apache2"), "-f", configuration, "-DFOREGROUND"}, at.server_cores};
}

// One address has thousands of the connections: no limit for each.
command holder_command(const workplace& at, std::uint16_t port, unsigned threads) {
    return {{at.program, "serve", at.root(), "--listen", fmt::format("127.0.0.1:{}", port), "--engine",
             "io_uring", "--direct-descriptors", "on", "--threads", fmt::format("{}", threads),
             "--keep-alive-timeout", "3600", "--connections-per-address", "0"},
            at.server_cores};
}

// The same server as a library: `naru serve` makes no WebSockets.
command websocket_holder_command(const workplace& at, std::uint16_t port, unsigned threads) {
    return {{at.program, "lab-server", "--websockets", "--listen", fmt::format("127.0.0.1:{}", port),
             "--threads", fmt::format("{}", threads)},
            at.server_cores};
}

// The first line that a program prints about its version.
std::string version_of(const std::string& program, const std::string& flag, const workplace& at) {
    process asked({{program, flag}, {}}, at.directory + "/version.log");
    std::string words = asked.read_all(5s);
    if (words.empty()) words = asked.last_words(1);
    words.erase(std::min(words.find('\n'), words.size()));
    constexpr std::string_view common = "Server version: ";
    return words.starts_with(common) ? words.substr(common.size()) : words;
}

void add_server(std::vector<subject>& all, std::vector<std::string>& missing, const workplace& at,
                const char* name, const char* program, const char* flag, std::string_view how) {
    const std::string path = find_program(program);
    if (path.empty()) {
        missing.push_back(fmt::format("{}: {} is not installed", name, program));
        return;
    }
    all.push_back({name, subject::kind::server, fmt::format("{}; {}", version_of(path, flag, at), how)});
}

// A listening parent may still be making its processes and their threads: until their number stays the same.
void wait_for_children(int server) {
    const auto until = std::chrono::steady_clock::now() + start_patience;
    std::uint64_t before = 0;
    while (std::chrono::steady_clock::now() < until) {
        const auto tree = load::process_tree(server);
        const std::uint64_t now = load::count_threads(tree);
        if (tree.size() > 1 && now == before) return;
        before = now;
        std::this_thread::sleep_for(settle_interval);
    }
}

}  // namespace

std::vector<subject> find_subjects(const workplace& at, std::vector<std::string>& missing) {
    std::vector<subject> all;
    for (const model& each : all_models()) {
        if (!each.threads) {
            const backend_choice tried = make_backend(each);
            if (tried.backend == nullptr) {
                missing.push_back(fmt::format("{}: {}", each.name, tried.reason));
                continue;
            }
        }
        all.push_back({std::string(each.name), subject::kind::model, "the lab's handler"});
    }
    for (const char* each : {"one-byte-level", "drain-level", "one-byte-edge", "drain-edge"})
        all.push_back({each, subject::kind::reading, "the lab's handler"});
    all.push_back({"naru-epoll", subject::kind::server, "naru serve, 1 thread"});
    if (const backend_choice ring = try_backend(engine::io_uring); ring.backend != nullptr)
        all.push_back({"naru-io_uring", subject::kind::server, "naru serve, 1 thread"});
    backend_options direct;
    direct.direct_descriptors = backend_options::direct::always;
    if (const backend_choice ring = try_backend(engine::io_uring, direct); ring.direct) {
        for (const std::string_view each : {held_subject, alone_subject})
            all.push_back({std::string(each), subject::kind::holder, "naru serve, direct descriptors"});
    } else {
        missing.push_back(fmt::format("held: {}", ring.reason));
    }
    add_server(all, missing, at, "nginx", "nginx", "-v", "1 worker");
    add_server(all, missing, at, "h2o", "h2o", "--version", "1 thread");
    add_server(all, missing, at, "apache-event", "apache2", "-v", "mpm_event, at most 1,600 threads");
    add_server(all, missing, at, "apache-prefork", "apache2", "-v", "mpm_prefork, at most 1,024 processes");
    if (find_program("strace").empty()) missing.emplace_back("system calls: strace is not installed");
    if (find_program("ab").empty()) missing.emplace_back("ab: it is not installed (apache2-utils)");
    return all;
}

started start(const subject& which, const workplace& at, std::uint32_t connections, unsigned threads,
              bool websockets) {
    const std::string log = fmt::format("{}/{}.log", at.directory, which.name);
    if (which.is == subject::kind::server || which.is == subject::kind::holder) {
        const std::uint16_t port = free_port();
        const command words = which.is != subject::kind::holder ? server_command(which, at, port, connections)
                              : websockets                      ? websocket_holder_command(at, port, threads)
                                                                : holder_command(at, port, threads);
        auto server = std::make_unique<process>(words, log);
        if (!wait_for_port(*server, port, start_patience))
            throw std::runtime_error(
                fmt::format("{} does not listen: {}", which.name, server->last_words(1)));
        if (which.name.starts_with("apache-")) wait_for_children(server->number());
        return {std::move(server), port};
    }
    auto server = std::make_unique<process>(
        command{{at.program, "lab-server", "--model", which.name}, at.server_cores}, log);
    const std::string line = server->read_line(start_patience);
    constexpr std::string_view word = "ready ";
    std::uint16_t port = 0;
    if (line.starts_with(word)) std::from_chars(line.data() + word.size(), line.data() + line.size(), port);
    if (port == 0)
        throw std::runtime_error(fmt::format("{} does not start: {}", which.name, server->last_words(1)));
    return {std::move(server), port};
}

void create_root(const workplace& at) {
    files::create_directories(at.root());
    for (const std::size_t size : body_sizes)
        write_file(fmt::format("{}/{}", at.root(), size), std::string(size, 'x'));
}

}  // namespace naru::lab
