// The connections of one address on one event loop: what its fair share is taken from.
//
// An address is what a stranger has for nothing only once: an IPv4 address, or an IPv6 /64. Shares
// count where something is scarce, and only there: with room for all, one address may have it all.
// So people who share an address, behind a provider's NAT or a proxy that nobody named, lose
// nothing by it until another address comes that has less.
#ifndef TCSYNC_SRC_LISTENER_ADDRESS_GROUP_H_
#define TCSYNC_SRC_LISTENER_ADDRESS_GROUP_H_

#include <chrono>
#include <cstdint>
#include <list>

#include "access/network.h"

namespace tcsync::listener {

class Connection;

struct AddressGroup {
  explicit AddressGroup(const access::Network& network) : network(network) {}

  const access::Network network;
  // Each has every connection in one of two lists, in the order in which they last did something.
  std::list<Connection*> idle;
  std::list<Connection*> active;
  int64_t bytes = 0;  // that its connections are charged with

  // Connections that wait for their turn, and the time that the address has had in `round`.
  std::list<Connection*> waiting;
  uint64_t round = 0;
  std::chrono::nanoseconds used{0};
  bool in_ring = false;

  bool IsUnused() const { return idle.empty() && active.empty() && !in_ring; }
};

// A connection's places in the lists of its loop, which FairShares changes. The nodes are there for
// as long as the connection is, so that moving them takes no memory.
struct SharePlace {
  explicit SharePlace(Connection* connection) : idle_node{connection}, in_idle(idle_node.begin()) {}

  AddressGroup* group = nullptr;
  std::list<Connection*>::iterator in_group;  // in its idle or its active connections
  std::list<Connection*> idle_node;           // while the connection is not idle
  std::list<Connection*>::iterator in_idle;
  std::list<Connection*>::iterator in_waiting;  // if it awaits its turn
  bool awaits_turn = false;
  int64_t charged_bytes = 0;
};

}  // namespace tcsync::listener

#endif  // TCSYNC_SRC_LISTENER_ADDRESS_GROUP_H_
