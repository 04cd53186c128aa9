#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>

namespace ivr {

struct Listener {
  int socket = -1;  // whoever asked closes it
  std::uint16_t port = 0;
};

// Takes connections on 127.0.0.1, at a port that was free.
inline Listener listen_on_loopback(int backlog) {
  Listener listener{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), 0};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  bind(listener.socket, reinterpret_cast<sockaddr*>(&address), size);
  getsockname(listener.socket, reinterpret_cast<sockaddr*>(&address), &size);
  listener.port = ntohs(address.sin_port);
  listen(listener.socket, backlog);
  return listener;
}

}  // namespace ivr
