/* Measure round trips to other nodes: how long they take to refuse a connection to a port that nobody listens on.
 *
 * usage: link-rtt ROUNDS WITHIN_MS ADDRESS...
 *
 * Prints a line for each address: the milliseconds of each round, or `-` for one without an answer in time. All rounds
 * are asked at the same time, so that addresses which never answer cost WITHIN_MS once.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORT 9
#define MOST_ASKED 1024

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

/* Ask all at the same time; write down how long each took, -1 for one that did not answer. */
static void ask_all(char **addresses, int count, double within_ms, double *took_ms)
{
    static struct pollfd asked[MOST_ASKED];
    static double began_ms[MOST_ASKED];
    double end_ms = now_ms() + within_ms;
    int open = 0;
    for (int i = 0; i < count; i++) {
        struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(PORT)};
        peer.sin_addr.s_addr = inet_addr(addresses[i]);
        asked[i] = (struct pollfd){socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), POLLOUT, 0};
        took_ms[i] = -1;
        began_ms[i] = now_ms();
        if (connect(asked[i].fd, (struct sockaddr *)&peer, sizeof peer) < 0 && errno == EINPROGRESS) {
            open++;
        } else {
            took_ms[i] = errno == ECONNREFUSED ? now_ms() - began_ms[i] : -1;
            close(asked[i].fd);
            asked[i].fd = -1;
        }
    }
    for (double left_ms; open && (left_ms = end_ms - now_ms()) > 0;) {
        if (poll(asked, count, (int)left_ms + 1) <= 0)
            continue;
        for (int i = 0; i < count; i++) {
            int error = 0;
            socklen_t size = sizeof error;
            if (asked[i].fd < 0 || !asked[i].revents)
                continue;
            getsockopt(asked[i].fd, SOL_SOCKET, SO_ERROR, &error, &size);
            if (error == ECONNREFUSED || error == 0)
                took_ms[i] = now_ms() - began_ms[i];
            close(asked[i].fd);
            asked[i].fd = -1; /* poll leaves it out */
            open--;
        }
    }
    for (int i = 0; i < count; i++)
        if (asked[i].fd >= 0)
            close(asked[i].fd);
}

int main(int count, char **words)
{
    static char *asked[MOST_ASKED];
    static double took_ms[MOST_ASKED];
    int rounds = count > 3 ? atoi(words[1]) : 0, peers = count - 3;
    if (rounds < 1 || peers > MOST_ASKED / rounds) {
        fprintf(stderr, "usage: link-rtt ROUNDS WITHIN_MS ADDRESS...\n");
        return 2;
    }
    for (int i = 0; i < peers * rounds; i++)
        asked[i] = words[3 + i % peers];
    ask_all(asked, peers * rounds, atof(words[2]), took_ms);
    for (int i = 0; i < peers; i++) {
        printf("%s", words[3 + i]);
        for (int at = i; at < peers * rounds; at += peers)
            took_ms[at] < 0 ? printf(" -") : printf(" %.3f", took_ms[at]);
        printf("\n");
    }
    return 0;
}
