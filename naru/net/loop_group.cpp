#include <naru/net/loop_group.hpp>

#include <naru/coro/run.hpp>
#include <naru/coro/sync.hpp>
#include <naru/loop/environment.hpp>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace naru {

struct loop_group::shard {
    shard() = default;
    // What is posted to a loop that runs no more is called here, while what it looks at is still there.
    ~shard() {
        listener.reset();
        own_loop.reset();
    }
    shard(const shard&) = delete;
    shard& operator=(const shard&) = delete;

    posted wake{[](posted&) noexcept {}};  // all have ended; may be left in the loop
    std::unique_ptr<naru::loop> own_loop;
    std::thread thread;
    std::optional<started_task<>> turns;  // instead of a thread, where the environment runs all loops
    bool runs() const noexcept { return thread.joinable() || turns.has_value(); }
    std::optional<tcp_listener> listener;
    // Of its thread, while it runs.
    stop_scope* everything = nullptr;
    stop_scope* accepting = nullptr;
    bool drained = false;
    bool stopped = false;
    task_group* connections = nullptr;
    async_event quiet;  // nothing more is handed over
    struct silence : posted {
        explicit silence(async_event& what) noexcept
            : posted([](posted& self) noexcept { static_cast<silence&>(self).begins.set(); }), begins(what) {}
        async_event& begins;
    } silence{quiet};
};

struct loop_group::state {
    std::function<task<>(loop&, std::size_t)> body;
    std::function<task<>(tcp_stream)> connection;
    std::function<void(const child_failure&)> report;
    bool shared = false;
    bool started = false;
    std::mutex mutex;
    std::exception_ptr first;

    enum class decision : std::uint8_t { none, run, give_up };
    decision decided = decision::none;
    std::condition_variable has_decided;
    std::atomic<std::size_t> running{0};  // shards that have not ended
    std::deque<shard> shards;             // the first to go

    void launch();
    bool launch_in_turns();
    void join_turns();
    void decide(decision what);
    bool may_run();
    void run_thread(shard& each, std::size_t index);
    void run_until_all_have_ended(naru::loop& own);
    task<> run_shard(shard& of, std::size_t index);
    task<> accept_all(shard& of, task_group& connections);
    void keep_exception();
    void refuse(shard& by) noexcept;
    void begin(shard& on, tcp_stream stream);
    void hand_over(detached socket, shard& from, shard& to);
    void release_others() noexcept;
    struct others_released;
};

namespace {

/// Points to what lives in a coroutine, and no longer than that: an exception may end it.
template <class T>
class pointed_to {
 public:
    pointed_to(T*& by, T& what) noexcept : by_(by) { by_ = &what; }
    ~pointed_to() { by_ = nullptr; }
    pointed_to(const pointed_to&) = delete;
    pointed_to& operator=(const pointed_to&) = delete;

 private:
    T*& by_;
};

std::vector<std::unique_ptr<backend>> make_backends(unsigned count, engine which) {
    std::vector<std::unique_ptr<backend>> made(count == 0 ? environment::current().processors() : count);
    for (std::unique_ptr<backend>& each : made) {
        const auto index = static_cast<unsigned>(&each - made.data());
        backend_choice choice = environment::current().make_backend(which, {}, index);
        if (choice.backend == nullptr)
            throw std::runtime_error("the engine " + std::string(name_of(which)) +
                                     " cannot be used here: " + choice.reason);
        each = std::move(choice.backend);
    }
    return made;
}

}  // namespace

loop_group::loop_group(unsigned loops, engine which) : loop_group(make_backends(loops, which)) {}

loop_group::loop_group(std::vector<std::unique_ptr<backend>> backends) : state_(std::make_unique<state>()) {
    for (std::unique_ptr<backend>& each : backends)
        state_->shards.emplace_back().own_loop = std::make_unique<naru::loop>(std::move(each));
}

loop_group::~loop_group() {
    drain();
    try {
        join();
    } catch (...) {  // whoever wants to know calls join
    }
}

std::size_t loop_group::size() const noexcept { return state_->shards.size(); }
loop& loop_group::at(std::size_t index) noexcept { return *state_->shards[index].own_loop; }

void loop_group::start(std::function<task<>(loop&, std::size_t)> body) {
    if (state_->started) fatal("bug: a loop_group was started twice");
    state_->body = std::move(body);
    state_->launch();
}

result<address> loop_group::serve(const address& where, std::function<task<>(tcp_stream)> connection,
                                  serve_options options) {
    if (state_->started) fatal("bug: a loop_group was started twice");
    address local = where;
    options.listen.reuse_port = !options.shared && state_->shards.size() > 1;
    if (options.listen.reuse_port) {
        // SO_REUSEPORT would share the port with another server of this user, and not say so.
        listen_options alone = options.listen;
        alone.reuse_port = false;
        const auto taken = environment::current().listen(where, alone);
        if (!taken) return fail(taken.error());
    }
    for (shard& each : state_->shards) {
        auto bound = tcp_listener::bind(*each.own_loop, local, options.listen);
        if (!bound && options.listen.reuse_port && bound.error() == std::errc::not_supported) {
            options.listen.reuse_port = false;
            bound = tcp_listener::bind(*each.own_loop, local, options.listen);
        }
        if (!bound) return fail(bound.error());
        if (const auto chosen = bound->local_address()) local = *chosen;
        each.listener.emplace(std::move(*bound));
        if (!options.listen.reuse_port) break;
    }
    state_->shared = !options.listen.reuse_port && state_->shards.size() > 1;
    state_->connection = std::move(connection);
    state_->report = std::move(options.report);
    state_->launch();
    return local;
}

// No loop runs before all are there: one that hands connections on would do so to a loop that never runs.
void loop_group::state::launch() {
    started = true;
    if (launch_in_turns()) return;
    running = shards.size();
    std::size_t index = 0;
    try {
        for (shard& each : shards) {
            each.thread =
                environment::current().start_thread([this, &each, index] { run_thread(each, index); });
            ++index;
        }
    } catch (const std::exception& none) {
        decide(decision::give_up);
        for (std::size_t made = 0; made < index; ++made)
            shards[made].thread.join();
        throw std::runtime_error("only " + std::to_string(index) + " of " + std::to_string(shards.size()) +
                                 " threads could be started: " + none.what());
    }
    decide(decision::run);
}

// Where the environment gives all loops their turns on one thread.
bool loop_group::state::launch_in_turns() {
    if (environment::other_than_the_systems() == nullptr) return false;
    std::size_t index = 0;
    for (shard& each : shards)
        each.turns.emplace(*each.own_loop, run_shard(each, index++));
    return true;
}

void loop_group::state::join_turns() {
    const auto ended = [this] {
        for (shard& each : shards) {  // as naru::run does; others of the world may go on for ever
            if (each.own_loop->take_stop()) each.turns->stop();
        }
        return std::ranges::all_of(shards, [](const shard& each) { return each.turns->ended(); });
    };
    while (!environment::current().run_others_until(ended)) {  // who is left waits for what never comes
        for (shard& each : shards)
            each.turns->stop();
    }
    for (shard& each : shards) {
        try {
            each.turns->take();
        } catch (...) {
            if (!first) first = std::current_exception();
        }
        each.turns.reset();
    }
}

void loop_group::state::decide(decision what) {
    {
        const std::lock_guard lock(mutex);
        decided = what;
    }
    has_decided.notify_all();
}

bool loop_group::state::may_run() {
    std::unique_lock lock(mutex);
    has_decided.wait(lock, [this] { return decided != decision::none; });
    return decided == decision::run;
}

void loop_group::state::run_thread(shard& each, std::size_t index) {
    if (!may_run()) return;
    try {
        run(*each.own_loop, run_shard(each, index));
    } catch (...) {
        keep_exception();
    }
    run_until_all_have_ended(*each.own_loop);
    each.own_loop->stop();  // its last closes end on this thread
    each.own_loop->run();
}

// Coroutines of the others may be on() this loop, or get there while they end: without it they would never.
void loop_group::state::run_until_all_have_ended(naru::loop& own) {
    if (running.fetch_sub(1) == 1) {
        for (shard& each : shards)
            each.own_loop->post(each.wake);
    }
    while (!own.run_until([this] { return running == 0; })) {
    }
}

task<> loop_group::state::run_shard(shard& of, std::size_t index) {
    stop_scope* const own = co_await current_scope();
    const pointed_to everything(of.everything, *own);
    if (of.stopped) of.everything->stop();
    if (body) {
        if (of.drained) of.everything->stop();
        co_await body(*of.own_loop, index);
    } else {
        auto serving = [&](task_group& connections) -> task<> { co_await accept_all(of, connections); };
        co_await with_supervisor(serving, std::ref(report));
    }
}

// However accepting ends: they would wait for connections for ever.
struct loop_group::state::others_released {
    explicit others_released(state* whose) noexcept : of(whose) {}
    ~others_released() {
        if (of != nullptr) of->release_others();
    }
    others_released(const others_released&) = delete;
    others_released& operator=(const others_released&) = delete;
    state* of;
};

task<> loop_group::state::accept_all(shard& of, task_group& connections) {
    const pointed_to handed_over(of.connections, connections);
    stop_scope accepting(of.everything);
    const pointed_to ended(of.accepting, accepting);
    if (of.drained) accepting.stop();
    std::size_t turn = 0;
    if (!of.listener) {
        (void)co_await of.quiet.wait();
    } else {
        const others_released at_the_end(shared ? this : nullptr);
        while (auto accepted = co_await with_stop(accepting, of.listener->accept())) {
            shard& to = shared ? shards[turn++ % shards.size()] : of;
            if (&to == &of) {
                begin(of, std::move(*accepted));
            } else if (auto socket = co_await accepted->release()) {
                hand_over(std::move(*socket), of, to);
            }
        }
        (void)co_await of.listener->close();
        of.listener.reset();
    }
}

void loop_group::state::keep_exception() {
    const std::lock_guard lock(mutex);
    if (!first) first = std::current_exception();
}

// Of what has been thrown. An exception of the report is the loop's end, as it is a supervisor's.
void loop_group::state::refuse(shard& by) noexcept {
    try {
        child_failure refused;
        refused.exception = std::current_exception();
        report(refused);
    } catch (...) {
        keep_exception();
        if (by.everything != nullptr) by.everything->stop();
    }
}

// A connection for which there is no memory is refused, and the others go on.
void loop_group::state::begin(shard& on, tcp_stream stream) {
    try {
        on.connections->spawn(connection(std::move(stream)));
    } catch (...) {
        refuse(on);
    }
}

// In order: what was handed over before is served before.
void loop_group::state::hand_over(detached socket, shard& from, shard& to) {
    try {
        to.own_loop->post([this, &to, moved = std::move(socket)]() mutable {
            if (to.connections == nullptr) return;
            const auto attached = to.own_loop->attach(moved.descriptor.release(), descriptor_kind::stream,
                                                      ownership::own, std::move(moved.ahead));
            if (attached) begin(to, tcp_stream(*to.own_loop, *attached));
        });
    } catch (...) {
        refuse(from);
    }
}

void loop_group::state::release_others() noexcept {
    for (std::size_t each = 1; each < shards.size(); ++each)
        shards[each].own_loop->post(shards[each].silence);
}

void loop_group::drain() noexcept {
    for (shard& each : state_->shards) {
        if (!each.runs()) continue;
        each.own_loop->post([of = state_.get(), &each] {
            each.drained = true;
            stop_scope* const ends = of->body ? each.everything : each.accepting;
            if (ends != nullptr) ends->stop();
        });
    }
}

void loop_group::stop() noexcept {
    for (shard& each : state_->shards) {
        if (!each.runs()) continue;
        each.own_loop->post([&each] {
            each.stopped = true;
            if (each.everything != nullptr) each.everything->stop();
        });
    }
}

void loop_group::join() {
    if (!state_->shards.empty() && state_->shards.front().turns) state_->join_turns();
    for (const shard& each : state_->shards) {
        if (each.thread.get_id() == std::this_thread::get_id())
            fatal(
                "bug: an http::server or loop_group is waited for, or destroyed, by one of its own threads: "
                "drain it there, and wait for it on another");
    }
    for (shard& each : state_->shards) {
        if (each.thread.joinable()) each.thread.join();
    }
    if (state_->first) std::rethrow_exception(std::exchange(state_->first, nullptr));
}

}  // namespace naru
