#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <utility>

#include "stun_message.hpp"

namespace ivr::stun {

// A STUN server on 127.0.0.1 that does what a test wants with each request.
class FakeServer {
 public:
  // `answer`: what goes back to request number n (from 0) with that id; an empty one is not sent.
  using Answer = std::function<Bytes(int n, const Id& id)>;

  explicit FakeServer(Answer answer)
      : answer_(std::move(answer)), socket_(bound()), stranger_(bound()), thread_([this] { run(); }) {}
  ~FakeServer() {
    stopping_ = true;
    thread_.join();
    close(socket_);
    close(stranger_);
  }
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  std::string uri() const {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    return "stun:127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  int requests() const { return requests_; }

  // From now on answers come from another port.
  void answer_from_elsewhere(bool on) { elsewhere_ = on; }

 private:
  static int bound() {
    const int made = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(made, reinterpret_cast<sockaddr*>(&address), sizeof address);
    return made;
  }
  void run() {
    while (!stopping_) {
      pollfd ready{socket_, POLLIN, 0};
      if (poll(&ready, 1, 20) != 1) continue;
      std::array<std::uint8_t, 1500> datagram;
      sockaddr_in from{};
      socklen_t size = sizeof from;
      const auto length =
          recvfrom(socket_, datagram.data(), datagram.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
      Id id{};
      if (length < 20) continue;
      std::copy_n(datagram.begin() + 8, id.size(), id.begin());
      const Bytes back = answer_(requests_++, id);
      if (back.empty()) continue;
      sendto(elsewhere_ ? stranger_ : socket_, back.data(), back.size(), 0,
             reinterpret_cast<const sockaddr*>(&from), size);
    }
  }

  const Answer answer_;
  const int socket_, stranger_;
  std::atomic<bool> stopping_{false}, elsewhere_{false};
  std::atomic<int> requests_{0};
  std::thread thread_;
};

}  // namespace ivr::stun
