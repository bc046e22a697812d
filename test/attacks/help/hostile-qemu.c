/*
 * A QEMU that its guest has taken over, as far as an attack shows it: preloaded, this makes a thread in QEMU that does
 * what the test says, with QEMU's user, descriptors, memory and sandbox. In the other programs of a launch (sh, flock,
 * the planner) it does nothing.
 *
 * HOSTILE_DIRECTORY  has a FIFO `orders`, one order a line, and a file `answers`: for each order its errno, 0 when done
 * HOSTILE_FIRST      orders to carry out before main(), separated by `;`
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static char *arg_start, *env_start, *env_end;

static void *sleep_as(void *name) {
	prctl(PR_SET_NAME, name);
	for (;;)
		pause();
	return NULL;
}

/* `text` with `\n` as a newline. */
static void unescape(char *text) {
	char *to = text;
	for (; *text; text++) {
		if (text[0] == '\\' && text[1] == 'n') {
			*to++ = '\n';
			text++;
		} else
			*to++ = *text;
	}
	*to = 0;
}

static int order_stderr(char *path) {
	int file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0 || dup2(file, 2) < 0)
		return errno;
	return 0;
}

static int order_thread(char *name) {
	pthread_t thread;
	unescape(name);
	return pthread_create(&thread, NULL, sleep_as, strdup(name));
}

static int order_threads(char *count) {
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 65536);
	for (int left = atoi(count); left > 0; left--) {
		pthread_t thread;
		int error = pthread_create(&thread, &attributes, sleep_as, "one of many");
		if (error != 0)
			return error;
	}
	return 0;
}

/* Replaces what /proc/PID/environ shows. */
static int order_environment(char *assignment) {
	size_t room = env_end - env_start, length = strlen(assignment) + 1;
	if (length > room)
		return ENOSPC;
	memset(env_start, 0, room);
	memcpy(env_start, assignment, length);
	return 0;
}

/* Replaces what /proc/PID/cmdline shows, with a word for each of `words`. */
static int order_arguments(char *words) {
	size_t room = env_start - arg_start, length = strlen(words) + 1;
	if (length > room)
		return ENOSPC;
	memset(arg_start, 0, room);
	memcpy(arg_start, words, length);
	for (char *at = arg_start; *at; at++)
		if (*at == ' ')
			*at = 0;
	return 0;
}

static int order_unlink(char *path) { return unlink(path) < 0 ? errno : 0; }

static int order_rename(char *paths) {
	char *to = strchr(paths, ' ');
	*to++ = 0;
	return rename(paths, to) < 0 ? errno : 0;
}

static int order_mkdir(char *path) { return mkdir(path, 0755) < 0 ? errno : 0; }

/* For good. */
static int order_lock(char *path) {
	int file = open(path, O_RDONLY | O_CLOEXEC);
	return file < 0 || flock(file, LOCK_EX | LOCK_NB) < 0 ? errno : 0;
}

static const struct {
	const char *name;
	int (*carry_out)(char *);
} orders[] = {
	{"stderr ", order_stderr}, {"thread ", order_thread}, {"threads ", order_threads}, {"environment ", order_environment},
	{"arguments ", order_arguments}, {"unlink ", order_unlink}, {"rename ", order_rename}, {"mkdir ", order_mkdir},
	{"lock ", order_lock},
};

static int carry_out(char *order) {
	for (size_t at = 0; at < sizeof(orders) / sizeof(*orders); at++)
		if (strncmp(order, orders[at].name, strlen(orders[at].name)) == 0)
			return orders[at].carry_out(order + strlen(orders[at].name));
	return ENOSYS;
}

static void *obey(void *directory) {
	char path[4096], *line = NULL;
	size_t size = 0;
	snprintf(path, sizeof(path), "%s/orders", (char *)directory);
	/* For writing, too: so there is no end of it. */
	FILE *from = fopen(path, "r+e");
	snprintf(path, sizeof(path), "%s/answers", (char *)directory);
	FILE *to = fopen(path, "ae");
	while (from != NULL && to != NULL && getline(&line, &size, from) > 0) {
		line[strcspn(line, "\n")] = 0;
		fprintf(to, "%d\n", carry_out(line));
		fflush(to);
	}
	return NULL;
}

__attribute__((constructor)) static void begin(int argc, char **argv) {
	char *directory = getenv("HOSTILE_DIRECTORY"), *first = getenv("HOSTILE_FIRST"), name[16] = "";
	pthread_t thread;
	prctl(PR_GET_NAME, name);
	if (strncmp(name, "qemu-system-", 12) != 0 || directory == NULL || environ[0] == NULL || argc == 0)
		return;
	arg_start = argv[0];
	env_start = environ[0];
	for (char **one = environ; *one; one++)
		env_end = *one + strlen(*one) + 1;
	if (first != NULL) {
		first = strdup(first);
		for (char *order = strtok(first, ";"); order; order = strtok(NULL, ";"))
			carry_out(order);
	}
	pthread_create(&thread, NULL, obey, strdup(directory));
}
