// Whose are wake-ups that get lost? Two threads wake a third in turns, by datagrams to a socket that is
// connected to itself, as other threads wake a loop. The first of them is stopped for a moment again and
// again, wherever it is, as a busy machine does it. Nothing of naru is in it.
//
//   x86_64-w64-mingw32-g++-posix -std=c++20 -O2 -static wake_datagram.cpp -o wake_datagram.exe -lws2_32
//   wine64 wake_datagram.exe [each|one [ROUNDS]]
//
// `each`: every thread sends by itself. `one`: who finds another thread sending leaves it to that one.
// What it showed under wine 8.0 stands in docs/backends.md.
#include <winsock2.h>

#include <ws2tcpip.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <thread>

namespace {

constexpr int lost_after_ms = 3000;

SOCKET bell = INVALID_SOCKET;
bool one_sends = false;
std::atomic<int> turn{0};
std::atomic<int> posted{0};
std::atomic<unsigned> signals{0};
std::atomic<long> refused{0};
std::atomic<int> error{0};

void make_bell() {
    WSADATA data{};
    WSAStartup(MAKEWORD(2, 2), &data);
    bell = WSASocketW(AF_INET, SOCK_DGRAM, 0, nullptr, 0, WSA_FLAG_OVERLAPPED);
    u_long on = 1;
    ioctlsocket(bell, static_cast<long>(FIONBIO), &on);
    sockaddr_in own{};
    own.sin_family = AF_INET;
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int size = sizeof own;
    auto* const address = reinterpret_cast<sockaddr*>(&own);
    if (bind(bell, address, size) != 0 || getsockname(bell, address, &size) != 0 ||
        connect(bell, address, size) != 0)
        std::abort();
}

void send_one() {
    if (send(bell, "!", 1, 0) == 1) return;
    error = WSAGetLastError();
    ++refused;
}

void ring() {
    if (!one_sends) {
        send_one();
    } else if (signals.fetch_add(1) == 0) {
        unsigned seen = 1;
        do {
            send_one();
        } while (!signals.compare_exchange_strong(seen, 0));
    }
}

void take_turns(int own) {
    while (true) {
        while (turn != own)
            Sleep(0);
        turn = 0;
        posted = own;  // before the bell rings
        ring();
    }
}

void disturb(HANDLE thread) {
    for (unsigned random = 1;; random = random * 1103515245 + 12345) {
        SuspendThread(thread);
        Sleep(1);
        ResumeThread(thread);
        for (std::atomic<unsigned> spins{0}; spins < (random >> 16) % 20000;)
            ++spins;
    }
}

}  // namespace

int main(int count, char** words) {
    one_sends = count > 1 && std::string_view(words[1]) == "one";
    const long rounds = count > 2 ? std::atol(words[2]) : 1000;
    make_bell();
    std::atomic<HANDLE> first{nullptr};
    std::thread([&first] {
        first = OpenThread(THREAD_ALL_ACCESS, FALSE, GetCurrentThreadId());
        take_turns(1);
    }).detach();
    std::thread(take_turns, 2).detach();
    while (first == nullptr)
        Sleep(1);
    std::thread(disturb, first.load()).detach();
    long lost = 0;
    for (long round = 0; round < 2 * rounds; ++round) {
        const int whose = 1 + static_cast<int>(round % 2);
        posted = 0;
        turn = whose;
        while (posted != whose) {
            WSAPOLLFD entry{};
            entry.fd = bell;
            entry.events = POLLRDNORM;
            if (WSAPoll(&entry, 1, lost_after_ms) == 0 && posted == whose) ++lost;
            char dropped[64];
            while (recv(bell, dropped, sizeof dropped, 0) > 0) {
            }
        }
    }
    std::printf("%ld rounds: %ld sends refused (error %d), %ld wake-ups lost\n", rounds, refused.load(),
                error.load(), lost);
    std::fflush(stdout);
    std::_Exit(lost == 0 ? 0 : 1);
}
