#include <lab/model_text.hpp>

#include <array>

namespace naru::lab {

namespace {

// See select(2), poll(2), epoll(7), io_uring_setup(2), io_uring_enter(2), pthread_create(3).
constexpr std::array<model_text, 9> texts = {{
    {
        .model = "threads",
        .heading = "One blocking thread per connection",
        .calls = "accept, read, write",
        .kernel = "Each connection has a thread, and the thread stands in read(2). The kernel parks it on "
                  "its socket's wait queue; "
                  "data that arrives wakes this one thread and no other. Nobody ever asks who is ready: the "
                  "scheduler is the event "
                  "loop, and the program reads as if there were one client.",
        .per_wait = "Falling asleep and being woken: two passes through the scheduler, and a thread that "
                    "returns to caches which others "
                    "have used meanwhile. It does not depend on how many other connections are idle.",
        .per_event =
            "One wake-up for each. A hundred ready connections are a hundred wake-ups; nothing is batched.",
        .per_request = "read and write, and the read that sleeps is the next request's.",
        .limit = "Memory and numbers: a kernel stack (16 KiB on x86-64) and the touched part of a user stack "
                 "for every connection, and "
                 "threads-max, pid_max, the cgroup's pids.max, or vm.max_map_count, since each stack and its "
                 "guard page are mappings.",
        .drawing = "threads.svg",
        .drawn = "Six threads, each with a user stack and a kernel stack. Five sleep in read; the socket of "
                 "one has data, and the "
                 "scheduler puts that thread on a core.",
    },
    {
        .model = "select",
        .heading = "select",
        .calls = "select, then read and write",
        .kernel = "The program passes three bitmaps, one bit for each descriptor number: to read, to write, "
                  "exceptions. They are copied in, "
                  "and the kernel goes through them up to the highest descriptor, asking each file that is "
                  "set whether it is ready. If none is, it "
                  "hangs an entry on every one of their wait queues, sleeps, and when woken asks all of them "
                  "again. The bitmaps that go "
                  "back hold the answer in place of the question, so the program has to make them anew for "
                  "the next call.",
        .per_wait = "Copying and scanning up to the highest descriptor, and a question to every watched "
                    "file, whether one is active or all are.",
        .per_event =
            "Nothing more in the kernel; the program scans the bitmaps that came back to find out which.",
        .per_request = "read and write, and a share of a select that grows with the number of connections.",
        .limit = "FD_SETSIZE: an fd_set of glibc holds descriptors 0 to 1023. FD_SET of a greater one writes "
                 "behind it.",
        .drawing = "select.svg",
        .drawn = "Three bitmaps are copied into the kernel, scanned bit by bit from descriptor 0 to the "
                 "highest one, and copied back.",
    },
    {
        .model = "poll",
        .heading = "poll",
        .calls = "poll, then read and write",
        .kernel = "The same question as select's, as an array: eight bytes for each connection, with the "
                  "descriptor, the events asked for and "
                  "the events found. The array is copied in, each file is asked, and the answers are written "
                  "to their own "
                  "field, so the program can pass the same array again. If nothing is ready, every file's "
                  "wait queue gets an entry, "
                  "and all of them are taken off again afterwards.",
        .per_wait = "Copying and walking the whole array: proportional to the connections, not to those that "
                    "are active.",
        .per_event =
            "Nothing more in the kernel; the program walks the array to find the entries that are not zero.",
        .per_request = "read and write, and a share of a poll that grows with the number of connections.",
        .limit = "RLIMIT_NOFILE; there is no bitmap to overflow. Time runs out first.",
        .drawing = "poll.svg",
        .drawn = "An array of descriptors with their events is copied into the kernel, which asks the socket "
                 "of every entry. One of them is ready.",
    },
    {
        .model = "epoll-level",
        .heading = "epoll, level-triggered",
        .calls = "epoll_ctl once per connection; epoll_wait, then read and write",
        .kernel =
            "The kernel keeps the question. epoll_ctl puts a connection into a red-black tree, once, and "
            "hangs a callback on its "
            "socket's wait queue. When data arrives the callback links the entry into the ready list, and "
            "epoll_wait "
            "does not look anywhere else. Level-triggered, an entry that has been reported goes back to the "
            "end of the list; the "
            "next wait asks its socket again, and drops the entry only when there is nothing left to read.",
        .per_wait = "What is on the ready list, however many connections are idle.",
        .per_event = "One report, and one more question to the socket in the next wait, to find out that it "
                     "has been drained.",
        .per_request = "read and write, and a share of an epoll_wait that may report many. A program that "
                       "reads one byte at a time is told about the rest "
                       "again and again.",
        .limit = "RLIMIT_NOFILE and fs.epoll.max_user_watches (some 160 bytes of kernel memory each).",
        .drawing = "epoll-level.svg",
        .drawn = "A tree of all connections; the one with data is linked into the ready list by its socket's "
                 "callback, is reported, and goes back to "
                 "the end of the list to be asked again.",
    },
    {
        .model = "epoll",
        .heading = "epoll, edge-triggered",
        .calls = "epoll_ctl once per connection; epoll_wait, then read and write",
        .kernel = "The same tree, callback and ready list, with EPOLLET: an entry leaves the list when it is "
                  "reported, and only new "
                  "activity on its socket brings it back. It is a change that is reported, not a state. The "
                  "program has to go on until a read "
                  "says EAGAIN or comes back short, for what it leaves lying will not be mentioned again.",
        .per_wait = "What is on the ready list, however many connections are idle.",
        .per_event = "One report. No second question: nothing goes back to the list by itself.",
        .per_request = "read and write, and a share of an epoll_wait. Read and write interest can stay "
                       "registered together, so "
                       "epoll_ctl is not needed again.",
        .limit = "RLIMIT_NOFILE and fs.epoll.max_user_watches.",
        .drawing = "epoll.svg",
        .drawn = "A tree of all connections; the one with data is linked into the ready list, is reported "
                 "once and leaves the list. The program reads until "
                 "EAGAIN.",
    },
    {
        .model = "epoll-oneshot",
        .heading = "epoll, one-shot",
        .calls = "epoll_wait, read, write, and epoll_ctl(EPOLL_CTL_MOD) after each event",
        .kernel = "With EPOLLONESHOT a report also disarms the entry: it stays in the tree, but its events "
                  "are masked out until the program "
                  "arms it again with EPOLL_CTL_MOD. Arming asks the socket at once, so nothing that came in "
                  "between is lost. That makes sure that "
                  "of several threads which wait on one epoll only one has a connection in its hands.",
        .per_wait = "What is on the ready list, however many connections are idle.",
        .per_event = "One report and one epoll_ctl, which looks the connection up in the tree.",
        .per_request =
            "read, write and epoll_ctl: a third call that the other two kinds of epoll do not make.",
        .limit = "RLIMIT_NOFILE and fs.epoll.max_user_watches.",
        .drawing = "epoll-oneshot.svg",
        .drawn = "A tree of all connections; the reported one is disarmed in the tree until the program arms "
                 "it again with epoll_ctl.",
    },
    {
        .model = "io_uring-single",
        .heading = "io_uring, one entry per operation",
        .calls = "io_uring_enter",
        .kernel = "Program and kernel share two rings. The program writes what it wants done into the "
                  "submission ring, 64 bytes for each operation, and "
                  "one io_uring_enter hands over all of them and waits. The kernel tries each receive at "
                  "once; if there is nothing to "
                  "read it arms a callback on the socket and does the receive when data arrives, in the "
                  "context of the program's own "
                  "thread. The result, not a hint that one may try, is put into the completion ring, 16 "
                  "bytes, to be read there without a call.",
        .per_wait =
            "One io_uring_enter, however many operations it submits and however many completions it brings.",
        .per_event = "A completion, after the receive has been done; the kernel arms and disarms its "
                     "callback for each receive.",
        .per_request = "Two entries, a receive and a send. Calls are shared by all that is submitted "
                       "together: below one for each request under load.",
        .limit = "RLIMIT_NOFILE, unless descriptors are direct ones, which are in a table of the ring and "
                 "not of the process.",
        .drawing = "io_uring-single.svg",
        .drawn = "Two rings shared by program and kernel: operations go in at the left, the kernel carries "
                 "them out at the sockets, results come out at the right; "
                 "one entry for each.",
    },
    {
        .model = "io_uring",
        .heading = "io_uring, multishot with provided buffers",
        .calls = "io_uring_enter",
        .kernel =
            "One receive entry for each connection stays in force (IORING_RECV_MULTISHOT) and completes "
            "every time that data arrives, flagged "
            "IORING_CQE_F_MORE. The kernel takes a buffer from a third ring, filled by the program, only "
            "when there is something to put into it, so an "
            "idle connection owns none. Accepting works the same way: one entry for all connections to come.",
        .per_wait =
            "One io_uring_enter, however many operations it submits and however many completions it brings.",
        .per_event = "A completion and a buffer that is handed back by writing to memory; the callback on "
                     "the socket stays armed.",
        .per_request = "One entry, for the send. Calls are shared: below one for each request under load.",
        .limit = "RLIMIT_NOFILE or the table of direct descriptors; buffers that run out end a multishot "
                 "receive, which is then asked for again.",
        .drawing = "io_uring.svg",
        .drawn = "One receive entry stays in force in the kernel and produces a row of completions, each "
                 "with a buffer taken from a ring of provided buffers.",
    },
    {
        .model = "io_uring-sqpoll",
        .heading = "io_uring with a submission thread",
        .calls = "none while the thread is awake; io_uring_enter to wake it or to wait",
        .kernel = "With IORING_SETUP_SQPOLL a kernel thread watches the submission ring, so that submitting "
                  "is writing to memory and no call. After "
                  "sq_thread_idle milliseconds without work it goes to sleep and says so in the ring "
                  "(IORING_SQ_NEED_WAKEUP); the next "
                  "submission then takes an io_uring_enter. Waiting for completions still takes a call, "
                  "unless the program spins, too.",
        .per_wait = "Nothing while completions are there already; otherwise one io_uring_enter.",
        .per_event = "As without the thread; but the sockets' work is done by the kernel thread, on its core "
                     "and with its caches.",
        .per_request = "One entry, and no call of its own. The price is a core that spins: a gain only where "
                       "one is to spare.",
        .limit = "Cores. Where the kernel thread shares one with the program, each waits for the other.",
        .drawing = "io_uring-sqpoll.svg",
        .drawn = "A kernel thread on a core of its own runs round and round, taking entries from the "
                 "submission ring; no system call crosses from the program "
                 "to the kernel.",
    },
}};

}  // namespace

std::span<const model_text> all_model_texts() { return texts; }

}  // namespace naru::lab
