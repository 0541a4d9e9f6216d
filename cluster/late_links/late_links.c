/* Send packets late: the kernel queues them here (NFQUEUE), and each is let go when its time has come.
 *
 * usage: late-links QUEUE FILE [ADDRESS DELAY_US JITTER_US REORDER_PERCENT]...
 *
 * A packet to an address waits DELAY_US, give or take up to JITTER_US; REORDER_PERCENT of them do not wait, and so
 * overtake others. The address 0.0.0.0 means all that are not named. Ends when FILE is gone. The rules that lead
 * packets here let them pass when this program does not run.
 *
 * FILE gets a line for each address, ADDRESS WAITED OVERTOOK: how many packets were let go after they had waited, and
 * how many of those that did not wait overtook one to the same address.
 *
 * Source: the kernel's uapi/linux/netfilter/nfnetlink_queue.h. No library: all that is needed are four messages.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <netinet/ip.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_WAITING 65536
#define MOST_PEERS 64
#define COPIED 64 /* bytes of a packet: its header */
#define LOOK_MS 200

struct peer {
    uint32_t address; /* in the network's order; 0: all others */
    int64_t delay_us, jitter_us;
    int reorder_percent;
    int waiting;
    unsigned long long waited, overtook;
};
struct waiting {
    int64_t due_us;
    uint32_t id;
    struct peer *peer;
};

static struct peer peers[MOST_PEERS];
static int peer_count;
static struct waiting heap[MOST_WAITING]; /* a binary heap: the first is due first */
static int heap_size;
static int netlink, report, changed;
static uint16_t queue;

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void swap(int one, int other)
{
    struct waiting kept = heap[one];
    heap[one] = heap[other];
    heap[other] = kept;
}

static void push(struct waiting packet)
{
    int place = heap_size++;
    heap[place] = packet;
    for (; place > 0 && heap[place].due_us < heap[(place - 1) / 2].due_us; place = (place - 1) / 2)
        swap(place, (place - 1) / 2);
}

static struct waiting pop(void)
{
    struct waiting first = heap[0];
    int place = 0;
    heap[0] = heap[--heap_size];
    for (;;) {
        int least = place;
        for (int child = 2 * place + 1; child <= 2 * place + 2 && child < heap_size; child++)
            if (heap[child].due_us < heap[least].due_us)
                least = child;
        if (least == place)
            return first;
        swap(place, least);
        place = least;
    }
}

/* Send the kernel one message about the queue, with one attribute; ask for an answer if `acknowledged`. */
static void tell(int type, int attribute, const void *data, size_t size, int acknowledged)
{
    struct {
        struct nlmsghdr header;
        struct nfgenmsg queue;
        char attributes[64];
    } message = {0};
    struct nlattr *first = (struct nlattr *)message.attributes;
    first->nla_type = attribute;
    first->nla_len = NLA_HDRLEN + size;
    memcpy(message.attributes + NLA_HDRLEN, data, size);
    message.queue.res_id = htons(queue);
    message.header.nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | type;
    message.header.nlmsg_flags = NLM_F_REQUEST | (acknowledged ? NLM_F_ACK : 0);
    message.header.nlmsg_len = NLMSG_LENGTH(sizeof message.queue) + NLA_ALIGN(first->nla_len);
    if (send(netlink, &message, message.header.nlmsg_len, 0) < 0) {
        perror("late-links: send");
        exit(1);
    }
}

/* Let the kernel say whether it did what it was told. */
static void expect_done(const char *what)
{
    char answer[4096];
    ssize_t size = recv(netlink, answer, sizeof answer, 0);
    struct nlmsghdr *header = (struct nlmsghdr *)answer;
    int error = size < 0 ? errno : EIO;
    if (size >= (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)) && header->nlmsg_type == NLMSG_ERROR)
        error = -((struct nlmsgerr *)NLMSG_DATA(header))->error;
    if (error) {
        fprintf(stderr, "late-links: %s: %s\n", what, strerror(error));
        exit(1);
    }
}

static void bind_queue(void)
{
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    struct nfqnl_msg_config_cmd bind_it = {.command = NFQNL_CFG_CMD_BIND, .pf = htons(AF_INET)};
    struct nfqnl_msg_config_params copy = {.copy_range = htonl(COPIED), .copy_mode = NFQNL_COPY_PACKET};
    uint32_t length = htonl(MOST_WAITING);
    int room = 8 << 20;
    netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (netlink < 0 || bind(netlink, (struct sockaddr *)&kernel, sizeof kernel) < 0) {
        perror("late-links: netlink");
        exit(1);
    }
    setsockopt(netlink, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    tell(NFQNL_MSG_CONFIG, NFQA_CFG_CMD, &bind_it, sizeof bind_it, 1);
    expect_done("bind");
    tell(NFQNL_MSG_CONFIG, NFQA_CFG_PARAMS, &copy, sizeof copy, 1);
    expect_done("copy");
    tell(NFQNL_MSG_CONFIG, NFQA_CFG_QUEUE_MAXLEN, &length, sizeof length, 1);
    expect_done("length");
}

static void let_go(uint32_t id)
{
    struct nfqnl_msg_verdict_hdr verdict = {.verdict = htonl(NF_ACCEPT), .id = htonl(id)};
    tell(NFQNL_MSG_VERDICT, NFQA_VERDICT_HDR, &verdict, sizeof verdict, 0);
}

static void let_first_go(void)
{
    struct waiting packet = pop();
    let_go(packet.id);
    packet.peer->waiting--;
    packet.peer->waited++;
    changed = 1;
}

static struct peer *peer_of(uint32_t address)
{
    for (int i = 0; i < peer_count; i++)
        if (!peers[i].address || peers[i].address == address)
            return &peers[i];
    return NULL;
}

static int64_t wait_us(struct peer *peer)
{
    if (random() % 100 < peer->reorder_percent) {
        if (peer->waiting) {
            peer->overtook++;
            changed = 1;
        }
        return 0;
    }
    int64_t late_us = peer->delay_us;
    if (peer->jitter_us)
        late_us += random() % (2 * peer->jitter_us + 1) - peer->jitter_us;
    return late_us > 0 ? late_us : 0;
}

/* Write the counts over those of before. Lines keep their length, so a reader never sees a part of two. */
static void tell_counts(void)
{
    static char lines[MOST_PEERS * 80];
    int size = 0;
    for (int i = 0; i < peer_count; i++) {
        struct in_addr address = {peers[i].address};
        size += snprintf(lines + size, sizeof lines - size, "%-15s %20llu %20llu\n", inet_ntoa(address),
                         peers[i].waited, peers[i].overtook);
    }
    if (pwrite(report, lines, size, 0) == size)
        changed = 0;
}

/* Take in one packet: its number, and where it goes. */
static void take(struct nlmsghdr *header)
{
    char *place = (char *)NLMSG_DATA(header) + NLMSG_ALIGN(sizeof(struct nfgenmsg));
    char *end = (char *)header + header->nlmsg_len;
    uint32_t id = 0, address = 0;
    int known = 0;
    while (place + NLA_HDRLEN <= end) {
        struct nlattr *attribute = (struct nlattr *)place;
        char *data = place + NLA_HDRLEN;
        if (attribute->nla_len < NLA_HDRLEN || place + attribute->nla_len > end)
            break;
        int size = attribute->nla_len - NLA_HDRLEN, type = attribute->nla_type & NLA_TYPE_MASK;
        if (type == NFQA_PACKET_HDR && size >= (int)sizeof(struct nfqnl_msg_packet_hdr)) {
            id = ntohl(((struct nfqnl_msg_packet_hdr *)data)->packet_id);
            known = 1;
        } else if (type == NFQA_PAYLOAD && size >= (int)sizeof(struct iphdr)) {
            memcpy(&address, data + offsetof(struct iphdr, daddr), sizeof address);
        }
        place += NLA_ALIGN(attribute->nla_len);
    }
    if (!known)
        return;
    struct peer *peer = peer_of(address);
    int64_t late_us = peer ? wait_us(peer) : 0;
    if (late_us == 0 || heap_size == MOST_WAITING) {
        let_go(id);
    } else {
        push((struct waiting){now_us() + late_us, id, peer});
        peer->waiting++;
    }
}

static void receive(void)
{
    static char buffer[1 << 20];
    ssize_t size = recv(netlink, buffer, sizeof buffer, 0);
    if (size < 0 && errno != ENOBUFS && errno != EINTR) { /* ENOBUFS: the kernel dropped some, as a full link does */
        perror("late-links: recv");
        exit(1);
    }
    int left = size > 0 ? (int)size : 0;
    for (struct nlmsghdr *header = (struct nlmsghdr *)buffer; NLMSG_OK(header, left);
         header = NLMSG_NEXT(header, left))
        if (header->nlmsg_type == (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET))
            take(header);
}

int main(int count, char **words)
{
    if (count < 3 || (count - 3) % 4 || (count - 3) / 4 > MOST_PEERS) {
        fprintf(stderr, "usage: late-links QUEUE FILE [ADDRESS DELAY_US JITTER_US REORDER_PERCENT]...\n");
        return 2;
    }
    queue = (uint16_t)atoi(words[1]);
    for (int i = 3; i < count; i += 4, peer_count++)
        peers[peer_count] = (struct peer){.address = inet_addr(words[i]), .delay_us = atoll(words[i + 1]),
                                          .jitter_us = atoll(words[i + 2]), .reorder_percent = atoi(words[i + 3])};
    report = open(words[2], O_WRONLY | O_CLOEXEC);
    if (report < 0) {
        perror("late-links: open");
        return 1;
    }
    srandom((unsigned)now_us());
    bind_queue();
    tell_counts();
    int64_t told_us = now_us();
    puts("bound");
    fflush(stdout);
    while (access(words[2], F_OK) == 0) {
        int64_t left_us = heap_size ? heap[0].due_us - now_us() : LOOK_MS * 1000;
        int64_t sleep_us = left_us < 0 ? 0 : left_us > LOOK_MS * 1000 ? LOOK_MS * 1000 : left_us;
        struct timespec sleep = {sleep_us / 1000000, sleep_us % 1000000 * 1000};
        struct pollfd ready = {netlink, POLLIN, 0};
        if (ppoll(&ready, 1, &sleep, NULL) > 0)
            receive();
        while (heap_size && heap[0].due_us <= now_us())
            let_first_go();
        if (changed && now_us() - told_us >= LOOK_MS * 1000) {
            tell_counts();
            told_us = now_us();
        }
    }
    while (heap_size)
        let_first_go();
    return 0;
}
