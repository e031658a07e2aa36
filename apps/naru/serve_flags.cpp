#include "serve_flags.hpp"

#include "client_rules.hpp"
#include "service.hpp"

#include <naru/backend/choose_backend.hpp>

#include <CLI/CLI.hpp>

namespace naru::program {

namespace {

using settings_pointer = std::shared_ptr<serve_settings>;

void add_flag(CLI::App& command, const char* flag, std::optional<bool>& into, const char* says,
              const settings_pointer& keeps) {
    command.add_flag_callback(flag, [&into, keeps] { into = true; }, says);
}

void add_listener_flags(CLI::App& command, const settings_pointer& given) {
    add_list(command, "-l,--listen", given->listen,
             "ADDRESS:PORT; may be given several times. *:PORT is every address, localhost both of IPv4 and "
             "IPv6; port 0 takes a free one; unix:PATH and unix:@NAME are in the UNIX domain. Behind it "
             "\",proxy\" wants the PROXY protocol, and \",mode=0660\" is of a socket's file (default: "
             "127.0.0.1:8080)",
             given);
    add_list(command, "--listen-tls", given->listen_tls,
             "ADDRESS:PORT for TLS, as --listen; may be given several times", given);
    add_list(command, "--tls", given->tls,
             "CERT,KEY: files in PEM form, the certificate with those that issued it, and its key; may be "
             "given "
             "several times, the name that a client asks for chooses. Read again when they change, and at "
             "SIGHUP",
             given);
    add_flag(command, "--tls-self-signed", given->tls_self_signed,
             "Make a certificate for localhost in memory, to try TLS: browsers warn of it", given);
    add_flag(command, "--redirect-http", given->redirect_http,
             "Send what comes in clear text to the first address of --listen-tls", given);
    command.add_option("--hsts", given->hsts,
                       "Seconds for which browsers come by TLS only (Strict-Transport-Security)");
}

void add_site_flags(CLI::App& command, const settings_pointer& given) {
    add_flag(command, "--listings", given->listings, "Show directories that have no index.html", given);
    add_flag(command, "--dotfiles", given->dotfiles,
             "Serve and show names that begin with a dot (always: .well-known at the top)", given);
    command.add_option("--fallback", given->fallback,
                       "A file beneath the directory that answers where nothing is, such as index.html");
    command.add_option(
        "--symlinks", given->symlinks,
        "inside, any or never: which symbolic links are followed (default: inside, those that lead "
        "to what is beneath the directory)");
    add_list(command, "--symlink-target", given->symlink_target,
             "A directory that symbolic links may lead beneath, too; may be given several times", given);
    command.add_option("--acme-webroot", given->acme_webroot,
                       "A directory for certbot --webroot and the like: its .well-known/acme-challenge is "
                       "served on all hosts, and certificates that are not there yet are waited for");
    add_flag(command, "--h2c", given->h2c, "Speak HTTP/2 in clear text, too, with clients that begin with it",
             given);
    command.add_option("--hash-up-to", given->hash_up_to,
                       "Bytes of a file whose ETag is a hash of its content, and not its size and time; "
                       "0: of none (default: 1048576)");
    add_list(command, "--type", given->type,
             "EXTENSION=TYPE, before the built-in table of content types; may be given several times", given);
}

void add_process_flags(CLI::App& command, const settings_pointer& given) {
    command.add_option("--access-log", given->access_log,
                       "Write a line for each answer to a file; - is standard output. SIGHUP and SIGUSR1 "
                       "open it anew");
    command.add_option("--pid-file", given->pid_file,
                       "Write the process's number to this file (naru upgrade)");
    command.add_option("--user", given->user,
                       "Who the process that serves becomes; the log is opened as that user, too");
    add_flag(command, "--no-sandbox", given->no_sandbox,
             "One process that may do what its user may, instead of a master and its worker", given);
    command.add_option("--sandbox", given->sandbox,
                       "What the process that serves gives up beside --user and new privileges: all; files "
                       "(Landlock alone) or calls (a filter of system calls alone); none (default: all)");
    command.add_option("--log-format", given->log_format,
                       "combined, or json: an object a line, which tells more (default: combined)");
    add_flag(command, "--request-id", given->request_id,
             "Say in each answer which request it is for: X-Request-Id, the client's or one that is made",
             given);
    command.add_option("--status", given->status,
                       "ADDRESS:PORT where it is told what goes on: /metrics for Prometheus, /healthz, "
                       "/readyz, and a page; of this machine alone");
    add_flag(command, "--status-anywhere", given->status_anywhere,
             "Let --status be an address that others can reach", given);
}

void add_deadlines(CLI::App& command, serve_settings& given) {
    CLI::Option_group& times = *command.add_option_group("Deadlines", "In seconds");
    times.add_option("--head-timeout", given.head_timeout, "For a request's head (default: 20)");
    times.add_option("--body-timeout", given.body_timeout,
                     "Between two pieces of a request's body (default: 30)");
    times.add_option("--write-timeout", given.write_timeout,
                     "Without the client taking a byte (default: 60)");
    times.add_option("--keep-alive-timeout", given.keep_alive_timeout, "Between two requests (default: 60)");
    times.add_option("--disk-timeout", given.disk_timeout, "For a look at the disk; then 503 (default: 10)");
    times.add_option("--drain-timeout", given.drain_timeout,
                     "For what is in flight when the server stops (default: 10)");
    times.add_option("--drain-delay", given.drain_delay,
                     "Between the signal to end and the drain, for balancers to notice (default: 0)");
}

void add_shares(CLI::App& command, serve_settings& given) {
    CLI::Option_group& shares =
        *command.add_option_group("Shares", "See the price list in docs/operations.md");
    shares.add_option("--least-body-rate", given.least_body_rate,
                      "Bytes a second a client must send of a request's body; 0: none (default: 500)");
    shares.add_option("--least-answer-rate", given.least_answer_rate,
                      "Bytes a second a client must take of an answer; 0: none (default: 500)");
    shares.add_option("--rate-period", given.rate_period, "Seconds over which these count (default: 60)");
    shares.add_option("--connections-per-address", given.connections_per_address,
                      "Of one address while three quarters of all there can be are open; 0: any number "
                      "(default: 100)");
}

void add_uring_flags(CLI::App& command, serve_settings& given) {
    CLI::Option_group& uring = *command.add_option_group("io_uring", "See docs/io_uring.md");
    uring.add_option(
        "--direct-descriptors", given.direct_descriptors,
        "on, off or auto: connections outside the descriptor limit (default: auto, when it is near)");
    uring.add_option("--zero-copy-from", given.zero_copy_from,
                     "Send at least so many bytes without a copy (default: 0, never)");
    uring.add_option("--sqpoll-idle", given.sqpoll_idle,
                     "io_uring-sqpoll: milliseconds before the kernel's thread sleeps (default: 1000)");
    uring.add_option("--sqpoll-cpu", given.sqpoll_cpu,
                     "io_uring-sqpoll: the first thread's core; the next threads take the next ones");
}

void add_tcp_flags(CLI::App& command, serve_settings& given) {
    CLI::Option_group& tcp = *command.add_option_group("TCP", "See docs/operations.md");
    tcp.add_option("--backlog", given.backlog, "Connections waiting to be accepted (default: 4096)");
    tcp.add_option("--fast-open", given.fast_open, "TCP Fast Open, this many pending");
    tcp.add_option("--defer-accept", given.defer_accept,
                   "Accept when data has come, or after so many seconds; 0: at once (default: 1)");
    tcp.add_option("--tcp-keep-alive", given.tcp_keep_alive, "Probes: IDLE,INTERVAL,COUNT");
    tcp.add_option("--user-timeout", given.user_timeout, "Milliseconds sent data may stay unacknowledged");
    tcp.add_option("--send-buffer", given.send_buffer, "Bytes (SO_SNDBUF)");
    tcp.add_option("--receive-buffer", given.receive_buffer, "Bytes (SO_RCVBUF)");
}

}  // namespace

void add_serve_flags(CLI::App& command, const std::shared_ptr<serve_settings>& given, std::string& config,
                     bool& as_service) {
    command.add_option("DIR", given->root, "The directory (default: the current one)");
    add_listener_flags(command, given);
    command.add_option("-e,--engine", given->engine, engine_names() + " (default: auto)");
    command.add_option("-t,--threads", given->threads,
                       "Loops, one a thread (default: the number of usable cores)");
    command.add_option("-c,--config", config, "A TOML file with these settings; flags go before it");
    add_site_flags(command, given);
    add_process_flags(command, given);
    add_service_flag(command, as_service);
    add_client_flags(command, given);
    add_deadlines(command, *given);
    add_shares(command, *given);
    add_uring_flags(command, *given);
    add_tcp_flags(command, *given);
}

}  // namespace naru::program
