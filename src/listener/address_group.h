// The connections of one address on one event loop: the unit of fair shares.
//
// An address is the scarce resource of a stranger: an IPv4 address, or an IPv6 /64. Shares count
// only while a resource is scarce; with enough for all, one address may have everything. So people
// who share an address, behind a provider's NAT or a proxy that no option names, lose nothing by it
// until another address with less needs the resource.
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
  // Each connection is in one of the two lists, in the order of the last activity.
  std::list<Connection*> idle;
  std::list<Connection*> active;
  int64_t bytes = 0;  // charged to its connections

  // Connections that wait for their turn, and the time that the address has used in `round`.
  std::list<Connection*> waiting;
  uint64_t round = 0;
  std::chrono::nanoseconds used{0};
  bool in_ring = false;

  bool IsUnused() const { return idle.empty() && active.empty() && !in_ring; }
};

// A connection's places in the lists of its loop, which FairShares changes. The nodes live as long
// as the connection, so that moving them allocates no memory.
struct SharePlace {
  explicit SharePlace(Connection* connection)
      : idle_node{connection},
        in_idle(idle_node.begin()),
        turn_node{connection},
        in_waiting(turn_node.begin()) {}

  AddressGroup* group = nullptr;
  std::list<Connection*>::iterator in_group;  // in its idle or its active connections
  std::list<Connection*> idle_node;           // while the connection is not idle
  std::list<Connection*>::iterator in_idle;
  std::list<Connection*> turn_node;  // while the connection does not await its turn
  std::list<Connection*>::iterator in_waiting;
  int64_t charged_bytes = 0;

  bool awaits_turn() const { return turn_node.empty(); }
};

}  // namespace tcsync::listener

#endif  // TCSYNC_SRC_LISTENER_ADDRESS_GROUP_H_
